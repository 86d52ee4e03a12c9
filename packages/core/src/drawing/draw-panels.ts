import { drawFrame, FRAME_CENTRE, frameWidth } from "./draw-frame.ts";
import { type Figure, type Frame, type Panel, runsOfFrames } from "./figure.ts";
import { arrow, clipped, compact, type Drawn, edge, fitted, type Look, path, squared, text } from "./pen.ts";
import { element } from "./svg.ts";

/** Pixels. */
const size = {
  gutter: 16,
  padding: 5,
  /** Above the panels: room for the input's name, and for the line from one panel to the next. */
  top: 32,
  rowGap: 36,
  header: 26,
  footer: 22,
  frameGap: 12,
  bend: 6,
} as const;

export interface PanelOptions extends Look {
  /** Draws equal blocks one by one. */
  readonly open: boolean;
  /** Width of a row of panels. */
  readonly row: number;
  /** Trainable numbers of each node. */
  readonly parameters: ReadonlyMap<string, number>;
  /** The names of the input at the first panel and of the outputs at the last. */
  readonly input: string;
  readonly outputs: readonly string[];
}

/** A panel, with the horizontal position of its main path, the height at which the path enters, and its values. */
interface DrawnPanel extends Drawn {
  readonly centre: number;
  readonly entry: number;
  readonly input: string;
  readonly output: string;
}

/** A panel with its position. */
interface PlacedPanel extends DrawnPanel {
  readonly x: number;
  readonly y: number;
}

/** Panels from left to right, in as many rows as they need, with lines from each panel to the next. */
export function drawPanels({ panels }: Figure, options: PanelOptions): Drawn {
  const placed = placeInRows(
    panels.map((panel) => drawPanel(panel, options)),
    options.row,
  );
  const content = placed.map(({ x, y, content }) =>
    element("g", { transform: path`translate(${x} ${y})` }, ...content),
  );
  const ways = placed.slice(1).map((next, at) => wayTo(next, placed[at]!));
  const [first, last] = [placed[0]!, placed.at(-1)!];
  const [into, out, bottom] = [first.x + first.centre, last.x + last.centre, last.y + last.height];
  const ends = [
    arrow(into, first.y - 26, first.y + first.entry, first.input),
    text(into + 6, first.y - 17, options.input, { pixels: 10 }),
    arrow(out, bottom, bottom + 12, last.output),
    ...options.outputs.map((name, at) =>
      text(out + 6, bottom + 12 + 12 * at, name, { pixels: fitted(name, 10, last.x + last.width - out) }),
    ),
  ];
  const width = Math.max(...placed.map((panel) => panel.x + panel.width));
  const height = Math.max(...placed.map((panel) => panel.y + panel.height)) + 22;
  return { content: [...content, ...ways, ...ends], width, height };
}

function placeInRows(panels: readonly DrawnPanel[], row: number): readonly PlacedPanel[] {
  let [x, bottom] = [0, 0];
  let y: number = size.top;
  return panels.map((panel) => {
    if (x > 0 && x + panel.width > row) [x, y] = [0, bottom + size.rowGap];
    const placed = { ...panel, x, y };
    x += panel.width + size.gutter;
    bottom = Math.max(bottom, y + panel.height);
    return placed;
  });
}

function drawPanel({ name, frames, shape, nodes }: Panel, options: PanelOptions): DrawnPanel {
  const runs = options.open ? frames.map((frame): readonly [Frame] => [frame]) : runsOfFrames(frames);
  const inner = frameWidth(frames.some(({ shortcuts }) => shortcuts.length > 0));
  const width = inner + 2 * size.padding;
  const centre = size.padding + FRAME_CENTRE;
  const content: string[] = [];
  let y: number = size.header;
  let [entry, from, output] = [0, 0, ""];
  for (const run of runs) {
    const frame = drawFrame(run, inner, options);
    if (from === 0) entry = y + frame.entry;
    else content.push(arrow(centre, from, y + frame.entry, output));
    content.push(element("g", { transform: path`translate(${size.padding} ${y})` }, ...frame.content));
    [from, output] = [y + frame.exit, frame.output];
    y += frame.height + size.frameGap;
  }
  const height = from + size.footer;
  const parameters = nodes.reduce((sum, node) => sum + (options.parameters.get(node.name) ?? 0), 0);
  const card = element("rect", { class: "panel", width, height, rx: 8 });
  const words = [
    text(size.padding + 2, 17, clipped(name, 12, centre - size.padding), { pixels: 12, style: "text", weight: 600 }),
    ...(parameters > 0 ? [text(width - size.padding - 2, 17, compact(parameters), { pixels: 10, anchor: "end" })] : []),
    edge(path`M${centre} ${from}V${height}`, output),
    text(centre + 6, height - 8, squared(shape), { pixels: 10 }),
  ];
  return { content: [card, ...content, ...words], width, height, centre, entry, input: frames[0]!.input, output };
}

/** From the bottom of a panel to the top of the next: up the gutter, or down to the next row. */
function wayTo(next: PlacedPanel, before: PlacedPanel): string {
  const r = size.bend;
  const [x1, y1] = [before.x + before.centre, before.y + before.height];
  const [x2, y2] = [next.x + next.centre, next.y + next.entry];
  const value = before.output;
  if (next.y > before.y) {
    const middle = next.y - 17;
    return (
      edge(path`M${x1} ${y1}V${middle - r}q0 ${r} ${-r} ${r}H${x2 + r}q${-r} 0 ${-r} ${r}V${middle + 2 * r}`, value) +
      arrow(x2, middle + 2 * r, y2, value)
    );
  }
  const gutter = before.x + before.width + size.gutter / 2;
  const [down, up] = [y1 + 9, next.y - 9];
  const along = path`q0 ${r} ${r} ${r}H${gutter - r}q${r} 0 ${r} ${-r}`;
  const over = path`V${up + r}q0 ${-r} ${r} ${-r}H${x2 - r}q${r} 0 ${r} ${r}`;
  return edge(path`M${x1} ${y1}V${down - r}` + along + over, value) + arrow(x2, up + r, y2, value);
}
