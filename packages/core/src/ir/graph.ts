import { check } from "./errors.ts";
import { freeName, mapValues } from "./names.ts";
import {
  type AnyNode,
  type Constant,
  formatShape,
  type Input,
  type Leaf,
  type Parameter,
  type Value,
  type Variable,
} from "./value.ts";

/** The new value of a variable after each run: a value of the graph with the variable's shape. */
export interface Update {
  readonly variable: Variable;
  readonly value: Value;
}

/**
 * A network: named inputs and outputs, and between them values that point at what they are computed from. Plain
 * immutable data. Every value has a unique name, by which `select` makes it an output.
 *
 * `aliases` are further names of values: stages (`layer3`) and blocks (`layer3.5`), as torchvision's feature extraction
 * names a module by its last value.
 *
 * `Names` are the names that `select` takes beside the outputs', if the compiler can know them.
 */
export interface Graph<In extends string = string, Out extends string = string, Names extends string = string> {
  readonly name: string;
  readonly inputs: { readonly [K in In]: Input };
  readonly outputs: { readonly [K in Out]: Value };
  readonly aliases: { readonly [alias: string]: string };
  /** All updates take effect together, after a successful run. A variable without an update keeps its value. */
  readonly updates: readonly Update[];
  /** Only for the compiler: no graph has this field. */
  readonly [selectable]?: Names;
}
declare const selectable: unique symbol;

/**
 * Makes a graph. Nodes without a name get one from their op, as torch.fx gives them (`relu`, `relu_1`, …).
 *
 * G1  names of inputs, parameters, constants and variables are unique.
 * G2  every input that a value is computed from is declared.
 * G3  an update's value has the shape of its variable.
 * G4  a variable has at most one update.
 * G5  an input is declared under its own name.
 */
export function graph<In extends string, Out extends string, Names extends string = string>(parts: {
  name: string;
  inputs: { readonly [K in In]: Input };
  outputs: { readonly [K in Out]: Value };
  aliases?: { readonly [alias: string]: string };
  updates?: readonly Update[];
}): Graph<In, Out, Names> {
  const made = withNames<In, Out, Names>({ aliases: {}, updates: [], ...parts });
  for (const [key, { name }] of Object.entries<Input>(made.inputs))
    check(key === name, "graph.G5", `input ${name} is declared as ${key}`);
  checkUpdates(made);
  return made;
}

/** Checks G3 and G4. */
function checkUpdates({ updates }: Graph): void {
  const updated = new Set<Variable>();
  for (const { variable, value } of updates) {
    const { name, shape } = variable;
    const fits = value.shape.join() === shape.join();
    check(fits, "graph.G3", `the update of ${name} is ${formatShape(value.shape)}, expected ${formatShape(shape)}`);
    check(!updated.has(variable), "graph.G4", `${name} has two updates`);
    updated.add(variable);
  }
}

/** The graph with a unique name for each node. Checks G1 and G2. */
function withNames<In extends string, Out extends string, Names extends string>(
  made: Graph<In, Out, Names>,
): Graph<In, Out, Names> {
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
    const name = freeName(node.name || node.op, taken);
    return name === node.name ? node : { ...node, name };
  });
}

/** Each value once, inputs before their readers; for torchvision's models in the order of `state_dict`. */
export function valuesOf(graph: Graph): readonly Value[] {
  const known = orders.get(graph);
  if (known) return known;
  const order = sort(graph);
  orders.set(graph, order);
  return order;
}
const orders = new WeakMap<Graph, readonly Value[]>();

/** Depth first, inputs in the op's order. Without recursion, since cifar_preact1001 is about 3,000 nodes deep. */
function sort(graph: Graph): readonly Value[] {
  const order: Value[] = [];
  const done = new Set<Value>();
  const stack: Value[] = [...Object.values<Value>(graph.inputs), ...targetsOf(graph)].reverse();
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

/** The values that a run computes: outputs, and updates of variables. */
function targetsOf({ outputs, updates }: Graph): readonly Value[] {
  return [...Object.values<Value>(outputs), ...updates.flatMap(({ variable, value }) => [variable, value])];
}

/** The inputs of a value, in the op's order. */
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

export function variablesOf(graph: Graph): readonly Variable[] {
  return valuesOf(graph).filter((value) => value.kind === "variable");
}

/** The number of reads of each value: by nodes, outputs and updates. */
export function usesOf(graph: Graph): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>();
  const read = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const value of valuesOf(graph)) inputsOf(value).forEach(read);
  Object.values<Value>(graph.outputs).forEach(read);
  for (const { value } of graph.updates) read(value);
  return uses;
}

/**
 * For each value of a graph its replacement, bottom up. `replaceNode` gets a node whose inputs are already replaced.
 * Unchanged nodes keep their identity.
 */
export function replaceValues(
  source: Graph,
  replaceNode: (node: AnyNode, original: AnyNode) => Value,
  replaceLeaf: (leaf: Leaf) => Value,
): ReadonlyMap<Value, Value> {
  const replaced = new Map<Value, Value>();
  for (const value of valuesOf(source)) {
    const next = value.kind === "node" ? replaceNode(withInputs(value, replaced), value) : replaceLeaf(value);
    replaced.set(value, next);
  }
  return replaced;
}

/**
 * The graph with each value replaced, bottom up, as by `replaceValues`. Inputs and variables stay. An unchanged graph
 * keeps its identity.
 */
export function rebuild<In extends string, Out extends string, Names extends string>(
  source: Graph<In, Out, Names>,
  replaceNode: (node: AnyNode, original: AnyNode) => Value,
  replaceLeaf: (leaf: Exclude<Leaf, Input | Variable>) => Value = (leaf) => leaf,
): Graph<In, Out, Names> {
  const replaced = replaceValues(source, replaceNode, (leaf) =>
    leaf.kind === "parameter" || leaf.kind === "constant" ? replaceLeaf(leaf) : leaf,
  );
  if ([...replaced].every(([value, next]) => value === next)) return source;
  const outputs = Object.fromEntries(
    Object.entries<Value>(source.outputs).map(([name, value]) => [name, replaced.get(value)!]),
  ) as { readonly [K in Out]: Value };
  const updates = source.updates.map(({ variable, value }) => ({ variable, value: replaced.get(value)! }));
  return withNames({ ...source, outputs, updates });
}

function withInputs(node: AnyNode, replaced: ReadonlyMap<Value, Value>): AnyNode {
  const entries = Object.entries(node.inputs);
  if (entries.every(([, value]) => replaced.get(value) === value)) return node;
  return { ...node, inputs: mapValues(node.inputs, (value) => replaced.get(value)!) };
}
