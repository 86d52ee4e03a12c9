import type { Figure } from "./figure.ts";
import { type Drawn, edge, type Look, path, text, textWidth } from "./pen.ts";
import { element } from "./svg.ts";

/** The sign before an entry's words, drawn at a place; undefined for entries that explain words. */
type Mark = (x: number, y: number) => string;

const swatch =
  (style: string): Mark =>
  (x, y) =>
    element("rect", { class: style, x, y: y - 9, width: 16, height: 11, rx: 3, "stroke-width": 1.2 });

const line =
  (style: string): Mark =>
  (x, y) =>
    edge(path`M${x} ${y + 1}q8 -13 16 0`, undefined, style);

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

const NOTHING_DIFFERS = "nothing that is drawn differs";

function isAllSame({ panels, epsilons }: Figure): boolean {
  const frames = panels.flatMap((panel) => panel.frames);
  const parts = frames.flatMap((frame) => [frame, ...frame.boxes, ...frame.shortcuts]);
  return epsilons.length < 2 && parts.every(({ change }) => change === "same");
}

const PIXELS = 10.5;
const ROW = 17;

/** The meaning of the colours, lines and letters that the figure uses, in rows of at most `room` pixels. */
export function drawLegend(figure: Figure, room: number, { isComparison }: Look): Drawn {
  const { panels, hidden, epsilons } = figure;
  const frames = panels.flatMap((panel) => panel.frames);
  const boxes = frames.flatMap((frame) => frame.boxes);
  const shortcuts = frames.flatMap((frame) => frame.shortcuts);
  const shapes = [...panels, ...boxes].map(({ shape }) => shape ?? "");
  const has = (kind: string) => !isComparison && boxes.some((box) => box.kind === kind);
  const differs = (change: string) => [...boxes, ...shortcuts].some((each) => each.change === change);
  const projects = (isProjection: boolean) => shortcuts.some(({ short }) => short.length > 0 === isProjection);
  const entries: readonly (readonly [isThere: boolean, mark: Mark | undefined, words: string])[] = [
    [has("convolution"), swatch("convolution"), "convolution"],
    [has("pooling"), swatch("pooling"), "pooling"],
    [has("linear"), swatch("linear"), "fully connected"],
    [has("gate"), swatch("gate"), "squeeze-excitation"],
    [differs("added"), swatch("added"), "added"],
    [differs("removed"), swatch("removed"), "removed"],
    [differs("changed"), swatch("changed"), "changed; struck out: as it was"],
    [isComparison && isAllSame(figure), undefined, NOTHING_DIFFERS],
    [projects(false), line(""), "identity shortcut"],
    [projects(true), line("projection"), "shortcut that changes the shape"],
    [
      /BN/.test(boxes.flatMap(({ lines }) => lines).join()),
      undefined,
      `BN: batch normalization, ε ${epsilons.map((each) => each.toExponential()).join(" → ")}`,
    ],
    [shapes.some((shape) => /×(\d+)×\1$/.test(shape)), undefined, "64×56²: 64 channels of 56×56 pixels"],
    [hidden.connections > 0, undefined, `not drawn: ${counted(hidden.connections, "connection")} over blocks`],
    [hidden.layers > 0, undefined, `not drawn: ${counted(hidden.layers, "layer")} beside`],
  ];
  let [x, y, width] = [0, 12, 0];
  const content = entries.flatMap(([isThere, mark, words]) => {
    if (!isThere) return [];
    const start = mark ? 21 : 0;
    const length = start + textWidth(words, PIXELS);
    if (x > 0 && x + length > room) [x, y] = [0, y + ROW];
    const entry = [...(mark ? [mark(x, y)] : []), text(x + start, y, words, { pixels: PIXELS })];
    width = Math.max(width, x + length);
    x += length + 16;
    return entry;
  });
  return { content, width, height: y + 8 };
}
