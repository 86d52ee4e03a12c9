import type { Kind } from "./cells.ts";
import type { Change } from "./figure.ts";
import { element, escaped } from "./svg.ts";

/** A drawn part with its size in pixels; coordinates start at its top left. */
export interface Drawn {
  readonly content: readonly string[];
  readonly width: number;
  readonly height: number;
}

/** The colours of a figure: boxes by kind, or by difference from the other network. */
export interface Look {
  readonly isComparison: boolean;
}

/** The class of a box in the style sheet. */
export function paintOf(kind: Kind, change: Change, { isComparison }: Look): string {
  if (!isComparison) return kind;
  if (change !== "same") return change;
  return kind === "join" ? "join" : "plain";
}

/** Widths of narrow letters, wide letters and capitals, in parts of the font size. Source: DejaVu Sans, a wide font. */
const widths: readonly (readonly [letters: RegExp, width: number])[] = [
  [/[ijl.,:;'|!I·]/, 0.32],
  [/[ frt()/-]/, 0.4],
  [/[mwMW…→]/, 0.92],
  [/[A-Z0-9_]/, 0.66],
  [/[×+−<>=]/, 0.84],
];

/** Width of a text in pixels. */
export function textWidth(words: string, pixels: number): number {
  const widthOf = (letter: string) => widths.find(([letters]) => letters.test(letter))?.[1] ?? 0.6;
  return pixels * Array.from(words).reduce((sum, letter) => sum + widthOf(letter), 0);
}

/** The largest font size, at most `pixels`, at which the text is at most `width` wide. */
export function fitted(words: string, pixels: number, width: number): number {
  return Math.max(4, Math.min(pixels, (pixels * width) / textWidth(words, pixels)));
}

/** A name of any length, shortened to `width`. */
export function clipped(words: string, pixels: number, width: number): string {
  if (textWidth(words, pixels) <= width) return words;
  let kept = "";
  for (const letter of words) {
    if (textWidth(`${kept}${letter}…`, pixels) > width) break;
    kept += letter;
  }
  return `${kept}…`;
}

interface TextStyle {
  readonly pixels: number;
  readonly style?: "text" | "muted";
  readonly anchor?: "middle" | "end";
  readonly weight?: number;
}

/** A line of text; `y` is its baseline. */
export function text(
  x: number,
  y: number,
  words: string,
  { pixels, style = "muted", anchor, weight }: TextStyle,
): string {
  const font = { "font-size": pixels, "font-weight": weight, "text-anchor": anchor };
  return element("text", { x, y, class: style, ...font }, escaped(words));
}

/** A connection along a path, with the name of the value that it carries. */
export function edge(d: string, value?: string, style = ""): string {
  return element("path", { class: `edge ${style}`.trim(), d, "data-value": value });
}

/** A line down, with a tip. */
export function arrow(x: number, from: number, to: number, value: string): string {
  const tip = element("path", { class: "tip", d: path`M${x} ${to}l-3.2 -6h6.4z`, "data-value": value });
  return edge(path`M${x} ${from}V${to - 4}`, value) + tip;
}

/** The text of a path, with numbers rounded to hundredths of a pixel. */
export function path(words: TemplateStringsArray, ...numbers: readonly number[]): string {
  return words.map((word, at) => word + (numbers[at] === undefined ? "" : rounded(numbers[at]))).join("");
}

/** Rounded to hundredths of a pixel. */
const rounded = (value: number): string => String(Math.round(value * 100) / 100);

/** `25.6 M`, in powers of a thousand. */
export function compact(count: number): string {
  const units = ["", "k", "M", "G", "T", "P"];
  const power = count < 1000 ? 0 : Math.floor(Math.log10(count) / 3);
  return power === 0 ? String(count) : `${(count / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

/** `64×56²` for `64×56×56`: short, for the space between boxes. */
export const squared = (shape: string): string => shape.replace(/×(\d+)×\1$/, "×$1²");
