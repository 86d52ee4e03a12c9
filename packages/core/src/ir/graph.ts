import { check } from "./errors.ts";
import type { AnyNode, Constant, Input, Parameter, Value } from "./value.ts";

/**
 * A network: named inputs and outputs, and between them values that point at what they are computed from. Plain
 * immutable data. Every value has a name of its own, which any output can be selected by.
 *
 * `aliases` are further names of values: stages (`layer3`) and blocks (`layer3.5`), as torchvision's feature extraction
 * names a module by its last value.
 */
export interface Graph<In extends string = string, Out extends string = string> {
  readonly name: string;
  readonly inputs: { readonly [K in In]: Input };
  readonly outputs: { readonly [K in Out]: Value };
  readonly aliases: { readonly [alias: string]: string };
}

/**
 * Makes a graph. Nodes without a name get one from their op, as torch.fx gives them (`relu`, `relu_1`, …).
 *
 * G1  names of inputs, parameters and constants are unique.
 * G2  every input that a value is computed from is declared.
 */
export function graph<In extends string, Out extends string>(parts: {
  name: string;
  inputs: { readonly [K in In]: Input };
  outputs: { readonly [K in Out]: Value };
  aliases?: { readonly [alias: string]: string };
}): Graph<In, Out> {
  return withNames({ aliases: {}, ...parts });
}

/** The graph, each of its nodes with a name of its own. Checks G1 and G2. */
function withNames<In extends string, Out extends string>(made: Graph<In, Out>): Graph<In, Out> {
  const declared = new Set<Value>(Object.values(made.inputs));
  const leaves = new Set<string>();
  for (const value of valuesOf(made)) {
    if (value.kind === "node") continue;
    check(!leaves.has(value.name), "graph.G1", `two values are named ${value.name}`);
    check(value.kind !== "input" || declared.has(value), "graph.G2", `input ${value.name} is not declared`);
    leaves.add(value.name);
  }
  const taken = new Set(leaves);
  return rebuild(made, (node) => {
    const wanted = node.name || node.op;
    let name = wanted;
    for (let count = 1; taken.has(name); count++) name = `${wanted}_${count}`;
    taken.add(name);
    return name === node.name ? node : { ...node, name };
  });
}

/** Each value once, inputs before what is computed from them, in the order of `state_dict` for torchvision's models. */
export function valuesOf(graph: Graph): readonly Value[] {
  const known = orders.get(graph);
  if (known) return known;
  const order = sort(graph);
  orders.set(graph, order);
  return order;
}
const orders = new WeakMap<Graph, readonly Value[]>();

/** Depth first, inputs in their op's order, without recursion: cifar_preact1001 is some 3,000 nodes deep. */
function sort(graph: Graph): readonly Value[] {
  const order: Value[] = [];
  const done = new Set<Value>();
  const stack: Value[] = [...Object.values<Value>(graph.inputs), ...Object.values<Value>(graph.outputs)].reverse();
  for (let value = stack.at(-1); value; value = stack.at(-1)) {
    const open = done.has(value) ? [] : inputsOf(value).filter((input) => !done.has(input));
    if (open.length > 0) {
      stack.push(...open.reverse());
    } else {
      stack.pop();
      if (!done.has(value)) order.push(value);
      done.add(value);
    }
  }
  return order;
}

/** What a value is computed from, in its op's order. */
export function inputsOf(value: Value): Value[] {
  return value.kind === "node" ? Object.values(value.inputs) : [];
}

export function nodesOf(graph: Graph): readonly AnyNode[] {
  return valuesOf(graph).filter((value) => value.kind === "node");
}

/** The open parameters, in `state_dict` order. */
export function parametersOf(graph: Graph): readonly Parameter[] {
  return valuesOf(graph).filter((value) => value.kind === "parameter");
}

export function constantsOf(graph: Graph): readonly Constant[] {
  return valuesOf(graph).filter((value) => value.kind === "constant");
}

/** How often each value is read: by nodes, and once more by each output. */
export function usesOf(graph: Graph): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  const read = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const value of valuesOf(graph)) inputsOf(value).forEach(read);
  Object.values<Value>(graph.outputs).forEach(read);
  return uses;
}

/**
 * The graph with each value replaced, bottom up: `replace` is handed a node whose inputs are replaced already, and leaves
 * as they are. What nothing changes keeps its identity, up to the graph itself.
 */
export function rebuild<In extends string, Out extends string>(
  source: Graph<In, Out>,
  replaceNode: (node: AnyNode, original: AnyNode) => Value,
  replaceLeaf: (leaf: Parameter | Constant) => Value = (leaf) => leaf,
): Graph<In, Out> {
  const replaced = new Map<Value, Value>();
  let changed = false;
  for (const value of valuesOf(source)) {
    let next: Value = value;
    if (value.kind === "node") next = replaceNode(withInputs(value, replaced), value);
    else if (value.kind !== "input") next = replaceLeaf(value);
    replaced.set(value, next);
    changed ||= next !== value;
  }
  if (!changed) return source;
  const outputs = Object.fromEntries(
    Object.entries<Value>(source.outputs).map(([name, value]) => [name, replaced.get(value)!]),
  ) as { readonly [K in Out]: Value };
  return withNames({ ...source, outputs });
}

function withInputs(node: AnyNode, replaced: ReadonlyMap<Value, Value>): AnyNode {
  const entries = Object.entries(node.inputs);
  if (entries.every(([, value]) => replaced.get(value) === value)) return node;
  return { ...node, inputs: Object.fromEntries(entries.map(([name, value]) => [name, replaced.get(value)!])) };
}
