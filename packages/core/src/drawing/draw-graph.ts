import { check } from "../ir/errors.ts";
import { type Graph, nodesOf } from "../ir/graph.ts";
import { formatShape, type Value } from "../ir/value.ts";
import { type Summary, summarize } from "../summary.ts";
import { imageShape } from "./cells.ts";
import { compared } from "./compared.ts";
import { drawLegend } from "./draw-legend.ts";
import { drawPanels } from "./draw-panels.ts";
import { type DrawingDepth, type Figure, figureOf } from "./figure.ts";
import { forwardOf } from "./forward.ts";
import { clipped, compact, path, text, textWidth } from "./pen.ts";
import { element, escaped } from "./svg.ts";
import { styleOf, type ThemeName } from "./theme.ts";

export interface DrawGraphOptions {
  /** The level of detail: 1 draws stages, 2 blocks, 3 layers. Default 3 */
  readonly depth?: DrawingDepth;
  /** Draws equal consecutive blocks one by one, instead of once with "× 3". */
  readonly open?: boolean;
  /** "auto" holds both themes, and follows the viewer's system. Default "light" */
  readonly theme?: ThemeName;
  /** Largest width, in pixels: panels go into as many rows as they need. A single panel may be wider. Default 900 */
  readonly width?: number;
  /** Another network to compare with: layers added, removed and changed are coloured. */
  readonly compare?: Graph;
}

/** Pixels. */
const [MARGIN, TITLE, LEAST_LEGEND] = [10, 56, 440];

/**
 * A network as a picture: a self-contained SVG document. Stages are panels, blocks lie in them, shortcuts are arcs, and
 * the shape of one image's values stands where it changes. A block has the boxes of its longest path; the other paths
 * to a sum are shortcuts. Updates of variables are not drawn. The legend counts the connections and layers that are
 * not drawn. Words are text: they can be selected, and screen readers read them.
 *
 * A page can find each part: a box has the names of its nodes in `data-nodes`, separated by spaces (a box that stands
 * for several equal blocks has all of theirs), and a line has the name of the value that it carries in `data-value`.
 *
 * Throws ShapeError:
 * D1  a graph has at least one node.
 */
export function drawGraph(source: Graph, options: DrawGraphOptions = {}): string {
  const { depth = 3, open = false, theme = "light", width: most = 900 } = options;
  const graph = forwardOf(source);
  const compare = options.compare && forwardOf(options.compare);
  const row = most - 2 * MARGIN;
  for (const each of [graph, ...(compare ? [compare] : [])])
    check(nodesOf(each).length > 0, "drawGraph.D1", `${each.name} has no layers to draw`);
  const own = figureOf(graph, depth);
  const figure = compare ? compared(own, figureOf(compare, depth)) : own;
  const look = { isComparison: compare !== undefined };
  const summaries = [graph, ...(compare ? [compare] : [])].map(summarize);
  const title = summaries.map(({ model }) => model).join(" → ");
  const heading = clipped(title, 17, row);
  const totals = summaries.map(totalsOf).join(" → ");
  const parameters = new Map(summaries.flatMap(({ layers }) => layers.map((layer) => [layer.name, layer.parameters])));
  const panels = drawPanels(figure, { ...look, open, row, parameters, ...endsOf(compare ?? graph, row) });
  const legend = drawLegend(figure, Math.max(panels.width, Math.min(LEAST_LEGEND, row)), look);
  const widest = Math.max(panels.width, legend.width, textWidth(heading, 17), textWidth(totals, 11));
  const [width, height] = [widest + 2 * MARGIN, TITLE + panels.height + legend.height + MARGIN];
  const frame = { width, height, viewBox: path`0 0 ${width} ${height}` };
  const at = (y: number) => ({ transform: path`translate(${MARGIN} ${y})` });
  return `${element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", ...frame, role: "img", "aria-labelledby": "title description" },
    element("title", { id: "title" }, escaped(title)),
    element("desc", { id: "description" }, escaped(descriptionOf(graph, figure, totals))),
    element("style", {}, styleOf(theme)),
    element("rect", { class: "background", width, height }),
    text(MARGIN, 30, heading, { pixels: 16, style: "text", weight: 600 }),
    text(MARGIN, 48, totals, { pixels: 11 }),
    element("g", at(TITLE), ...panels.content),
    element("g", at(TITLE + panels.height), ...legend.content),
  )}\n`;
}

function totalsOf({ parameters, macs }: Summary): string {
  return `${compact(parameters)} parameters, ${compact(macs)} multiply-adds`;
}

/** The input at the top, and the names of the outputs at the end. */
function endsOf(graph: Graph, row: number): { readonly input: string; readonly outputs: readonly string[] } {
  const input = Object.values(graph.inputs).map(({ name, shape }) => `${name} ${imageShape(shape)}`);
  const last = nodesOf(graph).at(-1);
  const outputs = Object.entries<Value>(graph.outputs).flatMap(([name, value]) => (value === last ? [name] : []));
  return { input: clipped(input.join(", "), 10, row / 2), outputs };
}

/** The description for screen readers. */
function descriptionOf({ inputs }: Graph, { panels }: Figure, totals: string): string {
  const input = Object.values(inputs).map(({ name, shape }) => `${name} ${formatShape(shape)}`);
  const stages = panels.map(({ name, frames, shape }) => {
    const blocks = frames.filter((frame) => frame.name !== "").length;
    const holds = blocks === 0 ? "" : ` of ${blocks} ${blocks === 1 ? "block" : "blocks"}`;
    return `${name || "layers"}${holds} to ${shape}`;
  });
  return `${totals}. From ${input.join(", ")}: ${stages.join("; ")}.`;
}
