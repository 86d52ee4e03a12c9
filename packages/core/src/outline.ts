import { type Graph, nodesOf } from "./ir/graph.ts";
import type { AnyNode, Value } from "./ir/value.ts";

/** Nodes of a network that belong together: a stage, a block, or nodes whose names share a beginning. */
export interface OutlineGroup {
  readonly kind: "group";
  readonly name: string;
  readonly parts: readonly OutlinePart[];
}

/** A node, or a group of them. */
export type OutlinePart = AnyNode | OutlineGroup;

/** A group while nodes are sorted into groups. */
interface Draft {
  readonly name: string;
  readonly parts: (AnyNode | Draft)[];
  readonly groups: Map<string, Draft>;
}

/**
 * The nodes of a graph as a tree, each once, in the order in which they run: stages (`stem`, `layer1`), blocks in them
 * (`layer1.0`), and further groups by the parts of names (`layer1.0.downsample`). A stage ends with the value that its
 * alias names. A group of one node is replaced by the node, unless it is a stage.
 */
export function outlineOf(graph: Graph): readonly OutlinePart[] {
  const stages = stagesOf(graph);
  const root: Draft = { name: "", parts: [], groups: new Map() };
  const nodes = nodesOf(graph);
  const groupNames = new Set(nodes.flatMap(({ name }) => prefixesOf(name)));
  let at = 0;
  for (const node of nodes) {
    const stage = stages[at];
    let group = stage ? groupIn(root, stage.name) : root;
    for (const name of [...prefixesOf(node.name), ...(groupNames.has(node.name) ? [node.name] : [])])
      if (name !== group.name) group = groupIn(group, name);
    group.parts.push(node);
    if (node.name === stage?.end) at++;
  }
  return root.parts.map((part) => (isDraft(part) ? closed(part, true) : part));
}

/** `layer1` and `layer1.0` for `layer1.0.conv1`. */
function prefixesOf(name: string): readonly string[] {
  const words = name.split(".");
  return words.slice(1).map((_, at) => words.slice(0, at + 1).join("."));
}

/** The stages of a network in their order, each with the name of its last node. */
function stagesOf({ aliases, ...graph }: Graph): readonly { readonly name: string; readonly end: string }[] {
  const order = new Map(nodesOf({ aliases, ...graph }).map(({ name }, index) => [name, index]));
  return Object.entries(aliases)
    .filter(([alias, value]) => /^(stem|layer\d+)$/.test(alias) && order.has(value))
    .map(([name, end]) => ({ name, end }))
    .sort((a, b) => order.get(a.end)! - order.get(b.end)!);
}

function groupIn(parent: Draft, name: string): Draft {
  const known = parent.groups.get(name);
  if (known) return known;
  const made: Draft = { name, parts: [], groups: new Map() };
  parent.groups.set(name, made);
  parent.parts.push(made);
  return made;
}

function isDraft(part: AnyNode | Draft): part is Draft {
  return "groups" in part;
}

function closed({ name, parts }: Draft, isTop: boolean): OutlinePart {
  const made = parts.map((part) => (isDraft(part) ? closed(part, false) : part));
  const [only] = made;
  return only && made.length === 1 && !isTop ? only : { kind: "group", name, parts: made };
}

/** The nodes of a part, in the order in which they run. */
export function nodesIn(part: OutlinePart): readonly AnyNode[] {
  return part.kind === "node" ? [part] : part.parts.flatMap(nodesIn);
}

/**
 * Whether two parts compute the same function of inputs of equal shapes: ops, attributes, shapes and connections are
 * equal.
 */
export function isAlike(a: OutlinePart, b: OutlinePart): boolean {
  return a.kind === b.kind && descriptionOf(a) === descriptionOf(b);
}

/** The computation of a part, without names. */
function descriptionOf(part: OutlinePart): string {
  const nodes = nodesIn(part);
  const places = new Map<Value, number>(nodes.map((node, index) => [node, index]));
  const inputOf = (value: Value) => places.get(value) ?? `${value.kind} ${value.shape.join("×")}`;
  const described = nodes.map(({ op, attributes, shape, inputs }) => {
    const read = Object.entries(inputs).map(([name, value]) => [name, inputOf(value)]);
    return [op, attributes, shape, read];
  });
  return JSON.stringify(described);
}

/** Runs of consecutive parts that are equal. */
export function runsOf(parts: readonly OutlinePart[]): readonly (readonly [OutlinePart, ...OutlinePart[]])[] {
  const runs: [OutlinePart, ...OutlinePart[]][] = [];
  for (const part of parts) {
    const run = runs.at(-1);
    if (run && part.kind === "group" && isAlike(run[0], part)) run.push(part);
    else runs.push([part]);
  }
  return runs;
}
