import type { Box, Frame, Shortcut } from "./figure.ts";
import { arrow, clipped, type Drawn, edge, fitted, type Look, paintOf, path, squared, text, textWidth } from "./pen.ts";
import { element, escaped } from "./svg.ts";

/** Pixels. */
const size = {
  padding: 5,
  box: 92,
  /** To the right of the boxes, for a shortcut. */
  lane: 32,
  title: 17,
  gap: 15,
  /** Between boxes, with a shape written there. */
  labelledGap: 23,
  line: 12,
  /** Radius of the circle of a sum. */
  join: 9,
  /** Radius of a bend. */
  bend: 6,
} as const;

/** Distance of the main path from a frame's left side. */
export const FRAME_CENTRE: number = size.padding + size.box / 2;

/** How wide frames are, with a lane for shortcuts or without. */
export const frameWidth = (hasLane: boolean): number => 2 * size.padding + size.box + (hasLane ? size.lane : 0);

/** A frame, with the heights at which the main path enters and leaves it, and its last value. */
interface DrawnFrame extends Drawn {
  readonly entry: number;
  readonly exit: number;
  readonly output: string;
}

interface Span {
  readonly top: number;
  readonly bottom: number;
}

const middleOf = ({ top, bottom }: Span): number => (top + bottom) / 2;

/** A block, or several equal blocks: its boxes from top to bottom, shortcuts to their right. */
export function drawFrame(run: readonly [Frame, ...Frame[]], width: number, look: Look): DrawnFrame {
  const [{ name, input, boxes, shortcuts, change }] = run;
  const isNamed = name !== "";
  const start = isNamed ? size.title : 0;
  const spans = spansOf(boxes, start + firstGap(run[0]));
  const last = spans.at(-1)!.bottom;
  const hasExitArc = shortcuts.some(({ to }) => to === boxes.length);
  const height = last + (hasExitArc ? size.gap + 4 : isNamed ? 8 : 4);
  const place: Place = { input, boxes, spans, entry: start, exit: height };
  const output = outputOf(run.at(-1)!.boxes.at(-1)!);
  const differs = look.isComparison && change !== "same";
  const card = { class: differs ? `frame dashed ${change}` : "frame", width, height, rx: 6 };
  const content = [
    ...(isNamed
      ? [element("rect", { ...card, "fill-opacity": differs ? 0.25 : undefined }), ...titleOf(run, width)]
      : []),
    ...(isNamed ? [edge(path`M${FRAME_CENTRE} ${start}V${spans[0]!.top}`, input)] : []),
    edge(path`M${FRAME_CENTRE} ${last}V${height}`, output),
    ...shortcuts.map((shortcut, at) => {
      const nodes = run.flatMap((frame) => frame.shortcuts[at]!.nodes);
      return drawShortcut({ ...shortcut, nodes }, place, look);
    }),
    ...boxes.slice(1).map((_, at) => between(boxes[at]!, spans[at]!.bottom, spans[at + 1]!.top)),
    ...boxes.map((box, at) => {
      const nodes = run.flatMap((frame) => frame.boxes[at]!.nodes);
      return drawBox({ ...box, nodes }, spans[at]!, look);
    }),
  ];
  return { content, width, height, entry: isNamed ? 0 : spans[0]!.top, exit: height, output };
}

/** The name of a box's last value. */
const outputOf = ({ nodes }: Box): string => nodes.at(-1)!;

/** Room for the name, and for a shortcut that begins above the first box. */
function firstGap({ name, shortcuts }: Frame): number {
  if (name === "") return 4;
  return shortcuts.some(({ from }) => from < 0) ? size.gap + 4 : 6;
}

function spansOf(boxes: readonly Box[], top: number): readonly Span[] {
  let y = top;
  return boxes.map((box) => {
    const span = { top: y, bottom: y + boxHeight(box) };
    y = span.bottom + (box.shape === undefined ? size.gap : size.labelledGap);
    return span;
  });
}

function titleOf(run: readonly [Frame, ...Frame[]], width: number): readonly string[] {
  const [{ name }] = run;
  const last = run.at(-1)!.name;
  const label = run.length === 1 ? name : `${name} … ${last.replace(/^.*\.(?=\d+$)/, "")}`;
  const count = run.length === 1 ? "" : `× ${run.length}`;
  const room = width - 2 * size.padding - textWidth(count, 11) - 4;
  const shown = clipped(label, 7, room);
  return [
    text(size.padding, 12, shown, { pixels: fitted(shown, 9.5, room) }),
    ...(count === ""
      ? []
      : [text(width - size.padding, 12.5, count, { pixels: 11, style: "text", weight: 700, anchor: "end" })]),
  ];
}

/** The line between two boxes, with the shape if it changes there. */
function between(box: Box, from: number, to: number): string {
  const { shape } = box;
  const label = shape === undefined ? "" : text(FRAME_CENTRE + 6, from + 14, squared(shape), { pixels: 9 });
  return arrow(FRAME_CENTRE, from, to, outputOf(box)) + label;
}

const DOT = " · ";

/** A line of a box: words, each with its style. */
interface Line {
  readonly pixels: number;
  readonly words: readonly { readonly word: string; readonly style: "text" | "muted" | "muted struck" }[];
}

/** The lines of a box. The other network's text stands before each line, struck out. */
function linesOf({ lines, before = lines }: Box): readonly Line[] {
  const [title = "", ...details] = lines;
  const [oldTitle = "", ...oldDetails] = before;
  const wordsIn = (all: readonly string[]) => all.flatMap((line) => line.split(DOT));
  const [known, old] = [wordsIn(details), wordsIn(oldDetails)];
  const gone = old.filter((word) => !known.includes(word));
  const struck = (words: readonly string[]) => words.map((word) => ({ word, style: "muted struck" }) as const);
  const styled = (word: string) => ({ word, style: old.includes(word) ? "muted" : "text" }) as const;
  return [
    ...(oldTitle === title ? [] : [{ pixels: 10.5, words: struck([oldTitle]) }]),
    { pixels: 10.5, words: [{ word: title, style: "text" }] },
    ...wrapped(struck(gone)),
    ...details.flatMap((line) => wrapped(line.split(DOT).map(styled))),
  ];
}

/** Words broken into lines that fit into a box. */
function wrapped(words: Line["words"]): readonly Line[] {
  const lines: { pixels: number; words: Line["words"][number][] }[] = [];
  for (const each of words) {
    const line = lines.at(-1);
    const whole = [...(line?.words ?? []), each].map(({ word }) => word).join(DOT);
    if (line && textWidth(whole, 9) <= size.box - 6) line.words.push(each);
    else lines.push({ pixels: 9, words: [each] });
  }
  return lines;
}

function boxHeight(box: Box): number {
  return box.kind === "join" ? 2 * size.join + 2 : 10 + size.line * linesOf(box).length;
}

/** The nodes of a box, so that a page can find and mark it: `[data-nodes~="layer1.0.conv1"]`. */
function namesIn({ nodes }: Pick<Box, "nodes">): { readonly "data-nodes": string } {
  return { "data-nodes": nodes.join(" ") };
}

function drawBox(box: Box, span: Span, look: Look): string {
  const { kind, change } = box;
  const paint = paintOf(kind, change, look);
  if (kind === "join") return drawJoin(box, middleOf(span), paint);
  const rect = { class: paint, x: size.padding, y: span.top, width: size.box, height: span.bottom - span.top, rx: 4 };
  const dashes = change === "removed" ? "4 3" : undefined;
  const lines = linesOf(box).map((line, at) =>
    drawLine(
      line,
      { x: FRAME_CENTRE, y: span.top + 5 + size.line * (at + 0.76), "text-anchor": "middle" },
      size.box - 6,
    ),
  );
  const shape = element("rect", { ...rect, "stroke-width": 1.2, "stroke-dasharray": dashes });
  return element("g", namesIn(box), shape, ...lines);
}

function drawLine({ pixels, words }: Line, place: { readonly [name: string]: string | number }, room: number): string {
  const whole = words.map(({ word }) => word).join(DOT);
  const parts = words.map(({ word, style }, at) => {
    const dot = at === 0 ? "" : element("tspan", { class: "muted" }, DOT);
    return dot + element("tspan", { class: style }, escaped(word));
  });
  return element("text", { ...place, "font-size": fitted(whole, pixels, room) }, ...parts);
}

/** A sum or a product: its sign in a circle, and the following layers to its left. */
function drawJoin(box: Box, y: number, paint: string): string {
  const [[sign, ...details], x] = [box.lines, FRAME_CENTRE];
  const beside = linesOf(box).slice(1); // without the sign
  const r = sign === "+" ? 5 : 5 * Math.SQRT1_2;
  const cross =
    sign === "+"
      ? path`M${x - r} ${y}h${2 * r}M${x} ${y - r}v${2 * r}`
      : path`M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`;
  const room = size.box / 2 - size.join - 5;
  const top = y + 3.5 - 5 * (beside.length - 1);
  return element(
    "g",
    namesIn(box),
    element("title", {}, [sign === "+" ? "sum" : "product", ...details].join(", ")),
    element("circle", { class: paint, cx: x, cy: y, r: size.join, "stroke-width": 1.4 }),
    edge(cross),
    ...beside.map((line, at) => drawLine(line, { x: x - size.join - 5, y: top + 10 * at, "text-anchor": "end" }, room)),
  );
}

/** The boxes that a shortcut passes, and the heights at which it may begin and end. */
interface Place {
  /** The name of the value above the first box. */
  readonly input: string;
  readonly boxes: readonly Box[];
  readonly spans: readonly Span[];
  readonly entry: number;
  readonly exit: number;
}

/** An arc to the right of the boxes. A shortcut with layers has a label that lists them. */
function drawShortcut(shortcut: Shortcut, place: Place, look: Look): string {
  const { from, to, short, lines, before, change } = shortcut;
  const { input, boxes, spans, entry, exit } = place;
  const value = from < 0 ? input : outputOf(boxes[from]!);
  const isJoin = boxes[to]?.kind === "join";
  const target = spans[to];
  const top = from < 0 ? entry + 5 : spans[from]!.bottom + 6;
  const bottom = target ? middleOf(target) : exit - 7;
  const end = target && !isJoin ? size.padding + size.box : FRAME_CENTRE + (isJoin ? size.join : 0);
  const lane = size.padding + size.box + size.lane / 2 + 2;
  const differs = look.isComparison && change !== "same" ? change : "";
  const kind = short.length > 0 ? "projection" : "";
  const style = [kind, differs, differs === "removed" ? "dashed" : ""].filter((each) => each !== "").join(" ");
  const r = size.bend;
  const out = path`M${FRAME_CENTRE} ${top}H${lane - r}q${r} 0 ${r} ${r}`;
  const arc = out + path`V${bottom - r}q0 ${r} ${-r} ${r}H${end + (target ? 5 : 0)}`;
  const tip = element("path", { class: `tip ${style}`.trim(), d: path`M${end + 1} ${bottom}l6 -3.2v6.4z` });
  const whole = [edge(arc, value, style), ...(target ? [tip] : [])];
  if (kind === "") return element("g", {}, ...whole);
  const beside = spans.slice(Math.max(from + 1, 0), to).map(middleOf); // where no shape is written
  const middle = nearestTo(middleOf({ top, bottom }), beside);
  const words = [...(before ? [before.join(", "), "→"] : []), lines.join(", ")].join(" ");
  const pill = { class: differs || "pill", x: lane - 15, width: 30, height: 6 + 11 * short.length, rx: 6 };
  const y = middle - pill.height / 2;
  return element(
    "g",
    namesIn(shortcut),
    element("title", {}, escaped(words)),
    ...whole,
    element("rect", { ...pill, y, "stroke-width": 1.4 }),
    ...short.map((word, at) =>
      text(lane, y + 11.2 + 11 * at, word, { pixels: fitted(word, 9.5, 27), style: "text", anchor: "middle" }),
    ),
  );
}

function nearestTo(place: number, places: readonly number[]): number {
  const [nearest = place] = places.toSorted((a, b) => Math.abs(a - place) - Math.abs(b - place));
  return nearest;
}
