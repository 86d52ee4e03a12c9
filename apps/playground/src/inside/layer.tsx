import { Fact } from "./connection.tsx";
import { hasMaps } from "./facts.ts";
import { FeatureMaps } from "./feature-maps.tsx";
import { Focus } from "./focus.tsx";
import { NumberCard } from "./number-card.tsx";
import { channelFacts, explained, facts, maps, select, selectConnection } from "./state.ts";
import { WantedCard } from "./wanted.tsx";
import { byteWords, countWords, opWords, shapeWords } from "./words.ts";

interface LayerProps {
  readonly name: string;
  /** The layers of the box that was opened. */
  readonly box: readonly string[];
}

/** A layer: its maps, one of them, and one number of that. */
export function Layer({ name, box }: LayerProps) {
  const value = facts.value.get(name);
  if (!value) return null;
  const isHere = maps.value?.name === name;
  return (
    <>
      <header class="inside-title">
        <p class="quiet small">{opWords(value)}</p>
        <h2>{name}</h2>
        {box.length > 1 && (
          <nav class="inside-chips" aria-label="Layers of this box">
            {box.map((each) => (
              <button
                key={each}
                type="button"
                class="inside-chip"
                aria-current={each === name ? "true" : undefined}
                onClick={() => select(each, box)}
              >
                {shortName(each, box)}
              </button>
            ))}
          </nav>
        )}
        <dl class="inside-facts figures">
          <Fact name="Output">{shapeWords(value.shape.slice(1))}</Fact>
          <Fact name="Parameters">{countWords(value.parameters)}</Fact>
          <Fact name="Multiply-adds">{countWords(value.macs)}</Fact>
          <Fact name="Memory">{byteWords(value.bytes)}</Fact>
          <Fact name={value.reads.length === 1 ? "Reads" : "Reads both"}>
            {value.reads.map((read) => (
              <button key={read} type="button" class="inside-link inline" onClick={() => selectConnection(read)}>
                {read}
              </button>
            ))}
          </Fact>
        </dl>
      </header>
      {isHere && <FeatureMaps />}
      {isHere && hasMaps(value) && <Focus />}
      {isHere && channelFacts.value && <WantedCard />}
      {isHere && explained.value?.name === name && <NumberCard value={explained.value} />}
    </>
  );
}

/** The name without the part that the whole box shares. */
function shortName(name: string, box: readonly string[]): string {
  const words = name.split(".");
  const shared = words.findIndex((_, at) => !box.every((each) => each.startsWith(words.slice(0, at + 1).join("."))));
  return words.slice(Math.max(shared, 0)).join(".");
}
