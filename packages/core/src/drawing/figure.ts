import { type Graph, nodesOf, usesOf } from "../ir/graph.ts";
import type { AnyNode, Value } from "../ir/value.ts";
import { is } from "../ops/nodes.ts";
import { nodesIn, type OutlineGroup, type OutlinePart, outlineOf } from "../outline.ts";
import { type Cell, cellsOf, dataInputsOf, epsilonOf, imageShape, type Kind } from "./cells.ts";

/** Difference of a part from the other network's. */
export type Change = "same" | "added" | "removed" | "changed";

/** A box on the main path of a block. */
export interface Box {
  /** The name within its block, by which two networks' boxes are matched. */
  readonly key: string;
  readonly kind: Kind;
  readonly lines: readonly string[];
  /** The text of the box in the other network. */
  readonly before?: readonly string[];
  /** The shape after the box, if the box changes the shape. */
  readonly shape?: string;
  /** The names of its nodes. The last is the box's output. */
  readonly nodes: readonly string[];
  readonly change: Change;
}

/** A path parallel to the main one, from a box (−1: the block's entry) to a box (the number of boxes: the exit). */
export interface Shortcut {
  readonly from: number;
  readonly to: number;
  /** The text of its layers; empty for the identity. */
  readonly short: readonly string[];
  readonly lines: readonly string[];
  readonly before?: readonly string[];
  /** The names of its layers' nodes, in execution order. */
  readonly nodes: readonly string[];
  readonly change: Change;
}

/** A block, or the layers between blocks, which have no name. */
export interface Frame {
  readonly name: string;
  /** The name of the value that enters its first box. */
  readonly input: string;
  readonly boxes: readonly Box[];
  readonly shortcuts: readonly Shortcut[];
  readonly change: Change;
}

/** A stage, or the layers between stages. */
export interface Panel {
  readonly name: string;
  readonly frames: readonly Frame[];
  /** The shape of its output. */
  readonly shape: string;
  readonly nodes: readonly AnyNode[];
}

interface Hidden {
  readonly connections: number;
  readonly layers: number;
}

export interface Figure {
  readonly panels: readonly Panel[];
  /**
   * Parts that are not drawn: connections that pass over blocks or stages, and layers outside of every path of a block.
   */
  readonly hidden: Hidden;
  /** The epsilons of the norms; a comparison has two. */
  readonly epsilons: readonly number[];
}

/** Level of detail: 1 stages, 2 blocks, 3 layers. */
export type DrawingDepth = 1 | 2 | 3;

/** The contents of a graph's picture, without positions and sizes. */
export function figureOf(graph: Graph, depth: DrawingDepth): Figure {
  const uses = usesOf(graph);
  const epsilon = epsilonOf(nodesOf(graph));
  const drafts = sections(outlineOf(graph)).map((section) => ({
    name: section.name,
    nodes: section.parts.flatMap(nodesIn),
    frames: framesOf(section).map((part) => frameOf(part, uses, epsilon)),
  }));
  const panels = drafts.map(({ name, nodes, frames }, at) => ({
    name: name === "" && at > 0 && at === drafts.length - 1 ? "head" : name,
    nodes,
    frames: foldedTo(
      depth,
      frames.map(({ frame }) => frame),
      name,
    ),
    shape: imageShape(nodes.at(-1)!.shape),
  }));
  const epsilons = epsilon === undefined ? [] : [epsilon];
  return { panels, hidden: hiddenIn(drafts.flatMap(({ frames }) => frames)), epsilons };
}

/** Stages, and groups of the nodes between stages. */
function sections(parts: readonly OutlinePart[]): readonly OutlineGroup[] {
  const all: { kind: "group"; name: string; parts: OutlinePart[] }[] = [];
  for (const part of parts) {
    if (part.kind === "group") all.push({ ...part, parts: [...part.parts] });
    else if (all.at(-1)?.name === "") all.at(-1)!.parts.push(part);
    else all.push({ kind: "group", name: "", parts: [part] });
  }
  return all;
}

/** Blocks that hold a sum, and groups of the layers between them. */
function framesOf({ name, parts }: OutlineGroup): readonly OutlineGroup[] {
  const isBlock = (part: OutlinePart): part is OutlineGroup => part.kind === "group" && nodesIn(part).some(isSum);
  if (parts.some((part) => part.kind === "node" && isSum(part))) return [{ kind: "group", name, parts }];
  const all: { kind: "group"; name: string; parts: OutlinePart[] }[] = [];
  for (const part of parts) {
    if (isBlock(part)) all.push({ ...part, parts: [...part.parts] });
    else if (all.at(-1)?.name === "") all.at(-1)!.parts.push(part);
    else all.push({ kind: "group", name: "", parts: [part] });
  }
  return all;
}

const isSum = (node: AnyNode): boolean => is(node, "add") || (is(node, "fusedConv2d") && "residual" in node.inputs);

/** A frame, with the layers that it does not draw, the values that it reads, and its output. */
interface Framed {
  readonly frame: Frame;
  readonly layers: number;
  readonly reads: ReadonlySet<Value>;
  readonly exit: AnyNode;
}

function frameOf(group: OutlineGroup, uses: ReadonlyMap<Value, number>, epsilon: number | undefined): Framed {
  const nodes = nodesIn(group);
  const cells = cellsOf(nodes, uses, gatesIn(group), epsilon);
  const cellOf = new Map<Value, Cell>(cells.flatMap((cell) => cell.nodes.map((node) => [node, cell] as const)));
  const inputs = new Map(cells.map((cell) => [cell, inputsOf(cell)]));
  const main = longestPath(cells, (cell) => inputs.get(cell)!.flatMap((value) => cellOf.get(value) ?? []));
  const key = ({ name }: Cell) =>
    group.name !== "" && name.startsWith(`${group.name}.`) ? name.slice(group.name.length + 1) : name;
  const boxes = main.map((cell): Box => {
    const before = inputs.get(cell)![0];
    const after = imageShape(cell.nodes.at(-1)!.shape);
    const isNew = before === undefined || imageShape(before.shape) !== after;
    const { kind, lines } = cell;
    return { key: key(cell), kind, lines, nodes: namesOf([cell]), change: "same", ...(isNew && { shape: after }) };
  });
  const paths = main.flatMap((cell, to) =>
    inputs.get(cell)!.map((value) => {
      const path: Cell[] = [];
      let source = cellOf.get(value);
      while (source && !main.includes(source)) {
        path.unshift(source);
        source = inputs.get(source)!.flatMap((each) => cellOf.get(each) ?? [])[0];
      }
      return { from: source ? main.indexOf(source) : -1, to, path };
    }),
  );
  const shortcuts = paths
    .filter(({ from, to, path }) => path.length > 0 || from !== to - 1)
    .map(({ from, to, path }): Shortcut => {
      const [short, lines] = [path.flatMap((cell) => cell.short), path.flatMap((cell) => cell.lines)];
      return { from, to, short, lines, nodes: namesOf(path), change: "same" };
    });
  const drawn = new Set([...main, ...paths.flatMap(({ path }) => path)]);
  return {
    frame: { name: group.name, input: inputs.get(main[0]!)![0]?.name ?? "", boxes, shortcuts, change: "same" },
    layers: cells.length - drawn.size,
    reads: new Set([...inputs.values()].flat().filter((value) => !cellOf.has(value))),
    exit: main.at(-1)!.nodes.at(-1)!,
  };
}

const namesOf = (cells: readonly Cell[]) => cells.flatMap(({ nodes }) => nodes.map(({ name }) => name));

/** Groups within a block that end in a product: gates. */
function gatesIn({ parts }: OutlineGroup): readonly (readonly AnyNode[])[] {
  const groups = parts.filter((part) => part.kind === "group").map(nodesIn);
  return groups.filter((nodes) => is(nodes.at(-1), "multiply"));
}

/** The values outside a cell that the cell reads. */
function inputsOf({ nodes }: Cell): readonly Value[] {
  const own = new Set<Value>(nodes);
  return [...new Set(nodes.flatMap(dataInputsOf).filter((value) => !own.has(value)))];
}

/** The longest chain of cells. */
function longestPath(cells: readonly Cell[], before: (cell: Cell) => readonly Cell[]): readonly Cell[] {
  const paths = new Map<Cell, readonly Cell[]>();
  const longest = (all: readonly (readonly Cell[])[]) => all.toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const cell of cells) paths.set(cell, [...longest(before(cell).map((each) => paths.get(each)!)), cell]);
  return longest([...paths.values()]);
}

/** Layers that no frame draws, and reads of values other than the preceding frame's output. */
function hiddenIn(frames: readonly Framed[]): Hidden {
  const connections = frames.map(({ reads }, at) => {
    const before = frames[at - 1]?.exit;
    return [...reads].filter((value) => value.kind === "node" && value !== before).length;
  });
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  return { connections: sum(connections), layers: sum(frames.map(({ layers }) => layers)) };
}

/** A box for each block, or one box for a stage. */
function foldedTo(depth: DrawingDepth, frames: readonly Frame[], stage: string): readonly Frame[] {
  if (depth === 3) return frames;
  const folded = frames.map((frame): Frame => {
    if (frame.name === "") return frame;
    const lines = frame.boxes.flatMap(({ kind, lines }) =>
      kind === "convolution" ? [lines[0]!] : kind === "gate" ? ["SE"] : [],
    );
    const shape = frame.boxes.flatMap((box) => box.shape ?? []).at(-1);
    const [shortcut, ...undrawn] = frame.shortcuts;
    const nodes = nodesOfParts([...undrawn, ...frame.boxes]);
    const size = shape !== undefined && { shape };
    return {
      ...frame,
      boxes: [{ key: "", kind: "convolution", lines, nodes, change: "same", ...size }],
      shortcuts: shortcut ? [{ ...shortcut, from: -1, to: 1 }] : [],
    };
  });
  if (depth === 2 || stage === "" || folded.every(({ name }) => name === "")) return folded;
  const blocks = folded.filter(({ name }) => name !== "");
  const last = blocks.at(-1)!.boxes[0]!;
  const lines = [`${blocks.length} ${blocks.length === 1 ? "block" : "blocks"}`, ...last.lines];
  const nodes = nodesOfParts(folded.flatMap(({ shortcuts, boxes }) => [...shortcuts, ...boxes]));
  const { input } = folded[0]!;
  return [{ name: "", input, boxes: [{ ...last, lines, nodes }], shortcuts: [], change: "same" }];
}

const nodesOfParts = (parts: readonly (Box | Shortcut)[]) => parts.flatMap(({ nodes }) => nodes);

/** Runs of consecutive frames that are equal apart from their names. */
export function runsOfFrames(frames: readonly Frame[]): readonly (readonly [Frame, ...Frame[]])[] {
  const runs: [Frame, ...Frame[]][] = [];
  const isName = (key: string) => key === "name" || key === "input" || key === "nodes";
  const contentOf = (frame: Frame) => JSON.stringify(frame, (key, value: unknown) => (isName(key) ? undefined : value));
  for (const frame of frames) {
    const run = runs.at(-1);
    if (run && frame.name !== "" && run[0].name !== "" && contentOf(run[0]) === contentOf(frame)) run.push(frame);
    else runs.push([frame]);
  }
  return runs;
}
