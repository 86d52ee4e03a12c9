import { signal } from "@preact/signals";
import { bytes, dotted } from "../app/format.ts";
import { engine, fail } from "../app/state.ts";
import { Mark } from "../design/mark.tsx";
import type { Listed } from "../engine/session.ts";
import { changeDraft } from "./dialog-state.ts";

const known = signal<readonly Listed[] | undefined>(undefined);
const wanted = signal("");

async function list(): Promise<void> {
  try {
    known.value ??= await engine.call("known", undefined);
  } catch (error) {
    fail(error);
  }
}

/** Every word that is typed is a part of the name. */
function isWanted({ name }: Listed): boolean {
  const words = wanted.value.toLowerCase().split(/\s+/);
  return words.every((word) => name.toLowerCase().includes(word));
}

/** The weights that have a name: their size, accuracy and licence. They are fetched when they are loaded, and kept. */
export function KnownList({ chosen }: { readonly chosen: string | undefined }) {
  void list();
  if (!known.value) return <Mark size={32} isBusy />;
  const found = known.value.filter(isWanted);
  return (
    <div class="known">
      <input
        class="input"
        type="search"
        placeholder="resnet50, timm, cifar …"
        aria-label="Find weights by name"
        value={wanted.value}
        onInput={({ currentTarget: { value } }) => (wanted.value = value)}
      />
      <p class="small quiet" role="status">
        {dotted([`${found.length} of ${known.value.length}`, "fetched once, then kept in this browser"])}
      </p>
      <ul class="options scroll">
        {found.map((each) => (
          <li key={each.name}>
            <label>
              <input
                type="radio"
                name="known"
                checked={each.name === chosen}
                onChange={() => changeDraft({ known: each.name })}
              />
              <span>
                <b>{each.name}</b>
                <small>{factsOf(each)}</small>
              </span>
            </label>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p>No weights have such a name. A file of them can be loaded all the same.</p>}
    </div>
  );
}

function factsOf({ bytes: size, top1, license, side }: Listed): string {
  return dotted([
    size === undefined ? "size not published" : bytes(size),
    top1 === undefined ? undefined : `${top1.toFixed(1)} % top-1`,
    side === undefined ? undefined : `${side} × ${side}`,
    license ?? "no licence named",
  ]);
}
