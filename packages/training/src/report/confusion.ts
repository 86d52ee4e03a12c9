import { type Html, html } from "@residual/kit/html";
import { counted } from "@residual/kit/names";
import type { Cell } from "./chosen.ts";
import { tableOf } from "./parts.ts";
import { figures, type Pictures } from "./pictures.ts";

/** The most classes of a matrix; a list of the most frequent mistakes is easier to read for more. */
const MOST_CLASSES = 40;
/** The most rows of that list. */
const MOST_ROWS = 200;

/** The confusion matrix. A cell is a button that opens its pictures: the popover is the browser's own. */
export function confusion(
  counts: readonly (readonly number[])[],
  labels: readonly string[],
  cells: readonly Cell[],
  pictures: Pictures,
): Html {
  const known = new Map(cells.map((cell) => [idOf(cell.label, cell.predicted), cell]));
  const isMatrix = labels.length <= MOST_CLASSES;
  const shown = isMatrix ? cells : cells.filter(({ label, predicted }) => label !== predicted).slice(0, MOST_ROWS);
  const table = isMatrix ? matrix(counts, labels, known) : list(shown, labels, counts);
  return html`<p class="soft">How many held-out pictures of a class (row) were predicted as a class (column).
A number opens its pictures.</p>
${table}
${shown.map((cell) => popover(cell, labels, pictures))}`;
}

const idOf = (label: number, predicted: number): string => `of-${label}-as-${predicted}`;

function matrix(
  counts: readonly (readonly number[])[],
  labels: readonly string[],
  cells: ReadonlyMap<string, Cell>,
): Html {
  const heads = labels.map((label) => html`<th scope="col">${label}</th>`);
  return html`<div class="wide"><table class="matrix"><thead><tr><td></td>${heads}</tr></thead>
<tbody>${counts.map(
    (row, label) =>
      html`<tr><th scope="row">${labels[label]}</th>${row.map((_, predicted) => {
        const cell = cells.get(idOf(label, predicted));
        return html`<td>${cell && button(cell, row, labels)}</td>`;
      })}</tr>\n`,
  )}</tbody></table></div>`;
}

function list(cells: readonly Cell[], labels: readonly string[], counts: readonly (readonly number[])[]): Html {
  return tableOf(
    ["class", "predicted", "pictures"],
    cells.map((cell) => [labels[cell.label]!, labels[cell.predicted]!, button(cell, counts[cell.label]!, labels)]),
  );
}

function button({ label, predicted, count }: Cell, row: readonly number[], labels: readonly string[]): Html {
  const share = count / row.reduce((sum, each) => sum + each, 0);
  const title = `${counted(count, "picture")} of ${labels[label]} predicted as ${labels[predicted]}`;
  return html`<button class="cell${label === predicted ? " right" : ""}" style="--share:${share.toFixed(3)}"
 popovertarget="${idOf(label, predicted)}" aria-label="${title}" title="${title}">${count}</button>`;
}

function popover({ label, predicted, shown, count }: Cell, labels: readonly string[], pictures: Pictures): Html {
  const id = idOf(label, predicted);
  const rest =
    count > shown.length
      ? html`<p class="soft">${shown.length} of ${count}, those with the largest loss.</p>`
      : undefined;
  return html`<section popover id="${id}" aria-labelledby="${id}-title">
<button class="close" popovertarget="${id}" popovertargetaction="hide">Close</button>
<h3 id="${id}-title">${labels[label]} predicted as ${labels[predicted]}</h3>
${rest}${figures(shown, pictures)}</section>\n`;
}
