import {
  type AnyNode,
  formatShape,
  type Graph,
  type LayerSummary,
  nodesIn,
  type OutlinePart,
  outlineOf,
  runsOf,
  type Summary,
  summarize,
} from "@residual/core";
import type { Command } from "commander";
import { type Context, command, positive } from "../command.ts";
import { graphOf } from "../model-graph.ts";
import { shorten } from "../printable.ts";
import { bold, dim, type Output, say, table } from "../terminal.ts";

interface Options extends Output {
  readonly input?: string;
  readonly weights?: string;
  readonly depth: number;
}

/** Prints the layers of a model as a tree. With weights, the model is adapted to them. */
export function summaryCommand({ signal }: Context): Command {
  return command("summary", "show a model layer by layer", [
    "summary resnet50 --depth 3",
    "summary resnet50 --input 8x3x256x256 --weights r50.safetensors",
  ])
    .argument("<model>")
    .option("--input <shape>", "batch, channels, height and width, as 1x3x224x224")
    .option("--weights <w>", "a file, known weights or fixture:SALT, to see whether they fit")
    .option("--depth <n>", "1: stages, 2: blocks, 3: layers, 4: layers within those", positive, 2)
    .action(async (model: string, { input, weights, depth, ...output }: Options) => {
      const graph = await graphOf(model, { input, weights, signal });
      const summary = summarize(graph);
      say(output, summary, () => words(graph, summary, depth));
    });
}

function words(graph: Graph, summary: Summary, depth: number): readonly string[] {
  const layers = new Map(summary.layers.map((layer) => [layer.name, layer]));
  const { model, input, output } = summary;
  return [
    `${bold(model)}  ${formatShape(input)} -> ${formatShape(output)}`,
    "",
    ...table(["layer", "op", "output", "parameters", "multiply-adds"], rowsOf(outlineOf(graph), layers, depth)),
    "",
    ...totals(summary),
  ];
}

type Row = readonly [layer: string, op: string, output: string, parameters: number, macs: string];

/** Rows of a tree down to a depth. A folded part has one row; equal consecutive folded parts share one row. */
function rowsOf(
  parts: readonly OutlinePart[],
  layers: ReadonlyMap<string, LayerSummary>,
  depth: number,
): readonly Row[] {
  const visit = (parts: readonly OutlinePart[], level: number, indent: string, strip: string): readonly Row[] => {
    const isOpen = level < depth;
    const runs = isOpen ? parts.map((part): readonly [OutlinePart] => [part]) : runsOf(parts);
    return runs.flatMap((run, at) => {
      const isLast = at === runs.length - 1;
      const [part] = run;
      const tree = level === 1 ? ["", ""] : isLast ? ["└ ", "  "] : ["├ ", "│ "];
      const row = rowOf(run, layers, indent + tree[0]! + labelOf(run, strip));
      if (part.kind === "node" || !isOpen) return [row];
      const within = level < 2 ? "" : strip || `${part.name}.`;
      return [row, ...visit(part.parts, level + 1, indent + tree[1]!, within)];
    });
  };
  return visit(parts, 1, "", "");
}

/** `layer1.0`; `conv1` inside a block, whose name stands above; `layer1.1 … layer1.2` for a run. */
function labelOf(run: readonly [OutlinePart, ...OutlinePart[]], strip: string): string {
  const label = ({ name }: OutlinePart) => shorten(name.startsWith(strip) ? name.slice(strip.length) : name, 30);
  const last = run.at(-1)!;
  return run.length === 1 ? label(run[0]) : `${label(run[0])} … ${label(last).replace(/^.*\.(?=\d+$)/, "")}`;
}

function rowOf(
  run: readonly [OutlinePart, ...OutlinePart[]],
  layers: ReadonlyMap<string, LayerSummary>,
  label: string,
): Row {
  const nodes = run.flatMap(nodesIn);
  const total = (count: (layer: LayerSummary) => number) =>
    nodes.reduce((sum, { name }) => sum + count(layers.get(name)!), 0);
  const macs = total((layer) => layer.macs);
  return [
    label,
    opOf(run),
    formatShape(lastOf(nodes).shape),
    total((layer) => layer.parameters),
    compact(macs).padStart(13),
  ];
}

function opOf([part, ...others]: readonly [OutlinePart, ...OutlinePart[]]): string {
  if (part.kind === "node") return part.op;
  const count = nodesIn(part).length;
  const layers = `${count} ${count === 1 ? "layer" : "layers"}`;
  return others.length === 0 ? layers : `${others.length + 1} × ${layers}`;
}

const lastOf = (nodes: readonly AnyNode[]): AnyNode => nodes.at(-1)!;

/** `118.0 M`, in powers of a thousand. */
function compact(count: number): string {
  const units = ["", "k", "M", "G", "T", "P"];
  const power = count < 1000 ? 0 : Math.floor(Math.log10(count) / 3);
  return power === 0 ? String(count) : `${(count / 1000 ** power).toPrecision(4)} ${units[power]}`;
}

function totals({ parameters, macs, memory }: Summary): readonly string[] {
  const number = (count: number) => count.toLocaleString("en-US").padStart(15);
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2).padStart(15)} MB`;
  return [
    `parameters     ${number(parameters)}`,
    `multiply-adds  ${number(macs)}`,
    `input          ${megabytes(memory.input)}  ${dim("float32, as all below")}`,
    `weights        ${megabytes(memory.parameters)}  ${dim("parameters and running statistics")}`,
    `activations    ${megabytes(memory.activations)}  ${dim("outputs of all layers, one forward pass")}`,
    `peak           ${megabytes(memory.peak)}  ${dim("of these at once, freed after their last use")}`,
  ];
}
