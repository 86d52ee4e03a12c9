import { percent } from "../app/format.ts";
import { Card } from "../design/components.tsx";
import { cell, type Outcome, outcome } from "./state.ts";

/** How the pictures that were kept aside were taken. Each count opens its pictures. */
export function Confusion() {
  const found = outcome.value;
  if (!found) return null;
  const { labels, confusion } = found;
  return (
    <Card title="What is taken for what" level={2}>
      <div class="train-table">
        <table>
          <thead>
            <tr>
              <td />
              {labels.map((label) => (
                <th key={label} scope="col">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {confusion.map((row, label) => (
              <tr key={labels[label]}>
                <th scope="row">{labels[label]}</th>
                {row.map((count, predicted) => (
                  <td key={labels[predicted]}>
                    <Cell of={found} label={label} predicted={predicted} count={count} share={count / sumOf(row)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="caption">Rows: what a picture shows. Columns: what it is taken for. A count opens its pictures.</p>
      <Opened of={found} />
    </Card>
  );
}

const sumOf = (row: readonly number[]): number => row.reduce((sum, each) => sum + each, 0) || 1;

interface CellProps {
  readonly of: Outcome;
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
  /** Of the pictures of the label. */
  readonly share: number;
}

function Cell({ of: { labels }, label, predicted, count, share }: CellProps) {
  if (count === 0) return <span class="quiet">0</span>;
  const isOpen = cell.value?.label === label && cell.value.predicted === predicted;
  return (
    <button
      type="button"
      class={label === predicted ? "train-cell right" : "train-cell wrong"}
      style={{ "--share": share }}
      aria-pressed={isOpen}
      aria-label={`${count} of ${labels[label]} taken for ${labels[predicted]}`}
      onClick={() => {
        cell.value = isOpen ? undefined : { label, predicted };
      }}
    >
      {count}
    </button>
  );
}

/** The pictures of a cell, the surest first. */
function Opened({ of: { judged, pictures, labels } }: { readonly of: Outcome }) {
  const open = cell.value;
  if (!open) return null;
  const shown = judged
    .filter(({ label, predicted }) => label === open.label && predicted === open.predicted)
    .toSorted((a, b) => b.confidence - a.confidence);
  const words = `${labels[open.label]}, taken for ${labels[open.predicted]}`;
  return (
    <section class="train-opened" aria-label={words}>
      <h3>{words}</h3>
      <ul class="train-pictures">
        {shown.map(({ id, confidence }) => (
          <li key={id}>
            <img src={pictures.get(id)!.thumbnail} alt={pictures.get(id)!.name} height="56" />
            <span class="small figures">{percent(confidence)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
