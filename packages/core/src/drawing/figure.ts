import { type Graph, nodesOf, usesOf } from "../ir/graph.ts";
import { freeName } from "../ir/names.ts";
import type { AnyNode, Value } from "../ir/value.ts";
import { is } from "../ops/nodes.ts";
import { type Group, nodesIn, outlineOf, type Part } from "../outline.ts";
import { type Cell, cellsOf, dataInputsOf, epsilonOf, imageShape, type Kind } from "./cells.ts";

/** How a part differs from another network's. */
export type Change = "same" | "added" | "removed" | "changed";

/** A box on the main path of a block. */
export interface Box {
  /** The name within its block, by which two networks' boxes are matched. */
  readonly key: string;
  readonly kind: Kind;
  readonly lines: readonly string[];
  /** What the box was in the other network. */
  readonly before?: readonly string[];
  /** The shape after the box where it is another than before it. */
  readonly shape?: string;
  readonly change: Change;
}

/** A path beside the main one, from a box (or the entry, −1) to a box (or the exit, their number). */
export interface Shortcut {
  readonly from: number;
  readonly to: number;
  /** What it computes: nothing for the identity. */
  readonly short: readonly string[];
  readonly lines: readonly string[];
  readonly before?: readonly string[];
  readonly change: Change;
}

/** A block, or the layers between blocks, which have no name. */
export interface Frame {
  readonly name: string;
  readonly boxes: readonly Box[];
  readonly shortcuts: readonly Shortcut[];
  readonly change: Change;
}

/** A stage, or the layers between stages. */
export interface Panel {
  readonly name: string;
  readonly frames: readonly Frame[];
  /** The shape of what leaves it. */
  readonly shape: string;
  readonly nodes: readonly AnyNode[];
}

export interface Figure {
  readonly panels: readonly Panel[];
  /** Connections that no line shows, since they pass over blocks or stages. */
  readonly hidden: number;
  /** What norms add to the variance; two values of a comparison. */
  readonly epsilons: readonly number[];
}

/** How far a picture opens: stages, blocks, or their layers. */
export type Depth = 1 | 2 | 3;

/** What is drawn of a graph, without places and sizes. */
export function figureOf(graph: Graph, depth: Depth): Figure {
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

/** Stages as they are; nodes between them together. */
function sections(parts: readonly Part[]): readonly Group[] {
  const all: { kind: "group"; name: string; parts: Part[] }[] = [];
  for (const part of parts) {
    if (part.kind === "group") all.push({ ...part, parts: [...part.parts] });
    else if (all.at(-1)?.name === "") all.at(-1)!.parts.push(part);
    else all.push({ kind: "group", name: "", parts: [part] });
  }
  return all;
}

/** Blocks, which hold a sum, and what lies between them. */
function framesOf({ name, parts }: Group): readonly Group[] {
  const isBlock = (part: Part): part is Group => part.kind === "group" && nodesIn(part).some((node) => is(node, "add"));
  if (parts.some((part) => is(part.kind === "node" ? part : undefined, "add"))) return [{ kind: "group", name, parts }];
  const all: { kind: "group"; name: string; parts: Part[] }[] = [];
  for (const part of parts) {
    if (isBlock(part)) all.push({ ...part, parts: [...part.parts] });
    else if (all.at(-1)?.name === "") all.at(-1)!.parts.push(part);
    else all.push({ kind: "group", name: "", parts: [part] });
  }
  return all;
}

/** A frame, with the values that it reads and the one that leaves it. */
interface Framed {
  readonly frame: Frame;
  readonly reads: ReadonlySet<Value>;
  readonly exit: AnyNode;
}

function frameOf(group: Group, uses: ReadonlyMap<Value, number>, epsilon: number | undefined): Framed {
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
    return { key: key(cell), kind: cell.kind, lines: cell.lines, change: "same", ...(isNew && { shape: after }) };
  });
  const shortcuts = main.flatMap((cell, to): Shortcut[] =>
    inputs.get(cell)!.flatMap((value) => {
      const path: Cell[] = [];
      let source = cellOf.get(value);
      while (source && !main.includes(source)) {
        path.unshift(source);
        source = inputs.get(source)!.flatMap((each) => cellOf.get(each) ?? [])[0];
      }
      const from = source ? main.indexOf(source) : -1;
      if (path.length === 0 && from === to - 1) return [];
      return [
        {
          from,
          to,
          short: path.flatMap(({ short }) => short),
          lines: path.flatMap(({ lines }) => lines),
          change: "same",
        },
      ];
    }),
  );
  const reads = new Set([...inputs.values()].flat().filter((value) => !cellOf.has(value)));
  return { frame: { name: group.name, boxes, shortcuts, change: "same" }, reads, exit: nodes.at(-1)! };
}

/** Groups within a block that end in a product: gates. */
function gatesIn({ parts }: Group): readonly (readonly AnyNode[])[] {
  const groups = parts.filter((part) => part.kind === "group").map(nodesIn);
  return groups.filter((nodes) => is(nodes.at(-1), "multiply"));
}

/** The values from outside of a cell that it reads. */
function inputsOf({ nodes }: Cell): readonly Value[] {
  const own = new Set<Value>(nodes);
  return [...new Set(nodes.flatMap(dataInputsOf).filter((value) => !own.has(value)))];
}

/** The longest chain of cells to the last one. */
function longestPath(cells: readonly Cell[], before: (cell: Cell) => readonly Cell[]): readonly Cell[] {
  const paths = new Map<Cell, readonly Cell[]>();
  for (const cell of cells) {
    const [longest = []] = before(cell)
      .map((each) => paths.get(each)!)
      .toSorted((a, b) => b.length - a.length);
    paths.set(cell, [...longest, cell]);
  }
  return paths.get(cells.at(-1)!)!;
}

/** Reads of values other than the one that leaves the frame before. */
function hiddenIn(frames: readonly Framed[]): number {
  return frames.reduce((sum, { reads }, at) => {
    const before = frames[at - 1]?.exit;
    return sum + [...reads].filter((value) => value.kind === "node" && value !== before).length;
  }, 0);
}

/** Blocks as one box each, or a stage as one. */
function foldedTo(depth: Depth, frames: readonly Frame[], stage: string): readonly Frame[] {
  if (depth === 3) return frames;
  const folded = frames.map((frame): Frame => {
    if (frame.name === "") return frame;
    const lines = frame.boxes.flatMap(({ kind, lines }) =>
      kind === "convolution" ? [lines[0]!] : kind === "gate" ? ["SE"] : [],
    );
    const shape = frame.boxes.flatMap((box) => box.shape ?? []).at(-1);
    const box: Box = { key: "", kind: "convolution", lines, change: "same", ...(shape !== undefined && { shape }) };
    return {
      ...frame,
      boxes: [box],
      shortcuts: frame.shortcuts.slice(0, 1).map((each) => ({ ...each, from: -1, to: 1 })),
    };
  });
  if (depth === 2 || stage === "" || folded.every(({ name }) => name === "")) return folded;
  const blocks = folded.filter(({ name }) => name !== "");
  const last = blocks.at(-1)!.boxes[0]!;
  const lines = [`${blocks.length} ${blocks.length === 1 ? "block" : "blocks"}`, ...last.lines];
  return [{ name: "", boxes: [{ ...last, lines }], shortcuts: [], change: "same" }];
}

/** The figure of `b`, with what differs from `a`: what only `b` has is added, what only `a` has is removed. */
export function compared(a: Figure, b: Figure): Figure {
  const panels = merged(
    a.panels,
    b.panels,
    ({ name }) => name,
    (before, after) => {
      if (!before || !after) {
        const panel = (after ?? before)!;
        return { ...panel, frames: panel.frames.map((frame) => marked(frame, after ? "added" : "removed")) };
      }
      const frames = merged(before.frames, after.frames, ({ name }) => name, mergedFrame);
      return { ...after, frames };
    },
  );
  return { panels, hidden: b.hidden, epsilons: [...new Set([...a.epsilons, ...b.epsilons])] };
}

function mergedFrame(before: Frame | undefined, after: Frame | undefined): Frame {
  if (!before || !after) return marked((after ?? before)!, after ? "added" : "removed");
  const boxes = merged(
    before.boxes,
    after.boxes,
    ({ key }) => key,
    (old, now): Box => {
      if (!old || !now) return { ...(now ?? old)!, change: now ? "added" : "removed" };
      return old.lines.join() === now.lines.join() ? now : { ...now, before: old.lines, change: "changed" };
    },
  );
  const place = (frame: Frame, at: number) => {
    const key = frame.boxes[at]?.key;
    if (key === undefined) return at < 0 ? -1 : boxes.length;
    return boxes.findIndex((box) => box.key === key);
  };
  const moved = (frame: Frame) =>
    frame.shortcuts.map((each) => ({ ...each, from: place(frame, each.from), to: place(frame, each.to) }));
  const shortcuts = merged(
    moved(before),
    moved(after),
    ({ to }) => `${to}`,
    (old, now): Shortcut => {
      if (!old || !now) return { ...(now ?? old)!, change: now ? "added" : "removed" };
      return old.lines.join() === now.lines.join() ? now : { ...now, before: old.lines, change: "changed" };
    },
  );
  return { name: after.name, boxes, shortcuts, change: "same" };
}

function marked(frame: Frame, change: Change): Frame {
  return {
    ...frame,
    change,
    boxes: frame.boxes.map((box) => ({ ...box, change })),
    shortcuts: frame.shortcuts.map((each) => ({ ...each, change })),
  };
}

/** Both lists in one, each in its order; what has the same name in both is one. */
function merged<T, M>(
  a: readonly T[],
  b: readonly T[],
  nameOf: (item: T) => string,
  merge: (a: T | undefined, b: T | undefined) => M,
): readonly M[] {
  const [namesOfA, namesOfB] = [a, b].map((items) => {
    const taken = new Set<string>();
    return items.map((item) => freeName(nameOf(item), taken)); // layers between stages have no name
  }) as [string[], string[]];
  const all: M[] = [];
  let at = 0;
  const addUntil = (end: number) => {
    for (; at < end; at++) if (!namesOfA.includes(namesOfB[at]!)) all.push(merge(undefined, b[at]));
  };
  for (const [index, item] of a.entries()) {
    const place = namesOfB.indexOf(namesOfA[index]!);
    addUntil(place); // nothing where it is −1
    all.push(merge(item, b[place]));
  }
  addUntil(b.length);
  return all;
}

/** Frames that follow one another and are alike, but for their names, as runs. */
export function runsOfFrames(frames: readonly Frame[]): readonly (readonly [Frame, ...Frame[]])[] {
  const runs: [Frame, ...Frame[]][] = [];
  const contentOf = (frame: Frame) => JSON.stringify({ ...frame, name: "" });
  for (const frame of frames) {
    const run = runs.at(-1);
    if (run && frame.name !== "" && run[0].name !== "" && contentOf(run[0]) === contentOf(frame)) run.push(frame);
    else runs.push([frame]);
  }
  return runs;
}
