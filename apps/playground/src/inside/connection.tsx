import { Card } from "../design/components.tsx";
import { facts, select } from "./state.ts";
import { byteWords, countWords, opWords, shapeWords } from "./words.ts";

/** A line of the network's picture: the value that it carries, from its maker to its readers. */
export function Connection({ name }: { readonly name: string }) {
  const value = facts.value.get(name);
  if (!value) return null;
  const [channels, height, width] = value.shape.slice(1);
  const count = value.shape.reduce((product, size) => product * size, 1);
  return (
    <Card>
      <header class="inside-title">
        <p class="quiet small">Connection</p>
        <h2>{name}</h2>
      </header>
      <dl class="inside-facts figures">
        <Fact name="Shape">{shapeWords(value.shape)}</Fact>
        <Fact name="Numbers">{countWords(count)}</Fact>
        <Fact name="Bytes in float32">
          {byteWords(value.bytes)} <span class="quiet">({countWords(value.bytes)})</span>
        </Fact>
      </dl>
      <p class="quiet">
        {height === undefined
          ? `One picture gives ${countWords(channels!)} numbers.`
          : `One picture gives ${countWords(channels!)} maps of ${height} × ${width} numbers.`}
      </p>
      <div class="inside-ends">
        <div>
          <h3>Made by</h3>
          {value.op === "input" ? <p>{opWords(value)}</p> : <LayerButton name={name} />}
        </div>
        <div>
          <h3>Read by</h3>
          {value.readBy.length === 0 && <p>nothing: it is the network's answer</p>}
          {value.readBy.map((reader) => (
            <LayerButton key={reader} name={reader} />
          ))}
        </div>
      </div>
    </Card>
  );
}

export function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function LayerButton({ name }: { readonly name: string }) {
  return (
    <button type="button" class="inside-link" onClick={() => select(name)}>
      <b>{name}</b> <span class="quiet">{opWords(facts.value.get(name)!)}</span>
    </button>
  );
}
