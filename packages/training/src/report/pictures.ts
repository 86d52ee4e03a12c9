import { type Html, html } from "@residual/kit/html";
import type { Example } from "../data/dataset.ts";
import type { Judged } from "../metrics/judged.ts";
import { percent } from "./parts.ts";
import type { Thumbnail } from "./thumbnail.ts";

/** A picture of a report: its thumbnail, and where the picture itself is. */
export interface Picture {
  readonly thumbnail: Thumbnail | undefined;
  /** The address that the thumbnail opens, as seen from the page. */
  readonly link: string | undefined;
}

export interface Pictures {
  readonly examples: readonly Example[];
  readonly labels: readonly string[];
  readonly pictures: ReadonlyMap<number, Picture>;
}

/** Judged pictures side by side, each with its name, its label and what was predicted. */
export function figures(judged: readonly Judged[], pictures: Pictures): Html {
  return html`<div class="pictures">${judged.map((each) => figure(each, pictures))}</div>\n`;
}

const small = (isSmall: boolean): Html | undefined => (isSmall ? html` class="small"` : undefined);

function figure({ index, label, predicted, confidence }: Judged, { examples, labels, pictures }: Pictures): Html {
  const { name } = examples[index]!;
  const { thumbnail, link } = pictures.get(index) ?? {};
  const words = `${labels[label]}, predicted ${labels[predicted]}`;
  const image = thumbnail
    ? html`<img src="${thumbnail.source}" alt="${name}: ${words}" loading="lazy"${small(thumbnail.isSmall)}>`
    : html`<span class="none">${name}</span>`;
  const linked = link === undefined ? image : html`<a href="${link}">${image}</a>`;
  const verdict = label === predicted ? labels[label] : html`<b>${labels[predicted]}</b>, is ${labels[label]}`;
  return html`<figure>${linked}<figcaption>${verdict}, ${percent(confidence)}<br>${name}</figcaption></figure>\n`;
}
