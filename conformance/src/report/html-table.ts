import { type Html, type HtmlPart, html } from "@residual/kit/html";

export interface Column {
  readonly name: string;
  /** The meaning of the column's numbers, for the note under the table. */
  readonly meaning?: string;
  /** How cells look: aligned as numbers, of one width, or in the background. */
  readonly look?: "number" | "mono number" | "mono" | "soft mono" | "soft";
}

/** A table, with a note below that explains its columns. On narrow screens each row of "cards" is a separate block. */
export function tableOf(
  columns: readonly Column[],
  rows: readonly (readonly HtmlPart[])[],
  look: "" | "cards" = "",
): Html {
  const head = columns.map(
    ({ name, meaning, look: kind }) => html`<th scope="col"${classed(kind)}${titled(meaning)}>${name}</th>`,
  );
  const body = rows.map((cells) => html`<tr>${cells.map((cell, i) => cellOf(columns[i]!, cell))}</tr>\n`);
  const notes = columns.flatMap(({ name, meaning }) => (meaning === undefined ? [] : [`${name}: ${meaning}.`]));
  return html`<div class="wide"><table${classed(look)}><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>${notes.length > 0 ? html`<p class="note">${notes.join(" ")}</p>` : undefined}`;
}

function cellOf({ name, look }: Column, cell: HtmlPart): Html {
  return html`<td${classed(look)} data-column="${name}">${cell}</td>`;
}

const classed = (name: string | undefined): Html | undefined => (name ? html` class="${name}"` : undefined);
const titled = (text: string | undefined): Html | undefined => (text ? html` title="${text}"` : undefined);
