import {
  type AnyNode,
  type Attributes,
  type Graph,
  inputsOf,
  nodesOf,
  UnsupportedError,
  usesOf,
  type Value,
} from "@residual/core";
import { channelsOf, identity, type Layer, layerOf, padsSame } from "./layers.ts";

/** An earlier step of a scope by its index, or the scope's input. */
export type Ref = number | "x";

/** A module of the network. */
interface LayerStep {
  readonly kind: "layer";
  /** The module's name in its parent. */
  readonly name: string;
  readonly layer: Layer;
  readonly inputs: readonly [Ref];
}

/** An expression of PyTorch without a module. */
interface CallStep {
  readonly kind: "call";
  readonly name: string;
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly Ref[];
}

/** A module that has modules of its own. */
interface ScopeStep {
  readonly kind: "scope";
  readonly name: string;
  readonly scope: Scope;
  readonly inputs: readonly [Ref];
}

type Step = LayerStep | CallStep | ScopeStep;

/**
 * The nodes whose names share a beginning, as PyTorch's modules do: `layer1.0`. It reads one value and gives one. A
 * sequence has numbered modules that read each other's values.
 */
export interface Scope {
  readonly path: string;
  readonly isSequence: boolean;
  readonly steps: readonly Step[];
  readonly inputs: number;
  readonly outputs: number;
}

/** A scope while nodes are sorted into scopes. */
interface Draft {
  readonly path: string;
  readonly parts: (AnyNode | Draft)[];
}

/**
 * The modules of a graph, from the network down. Throws UnsupportedError for ops that a network of the family does not
 * have, and for names by which parts are no modules: two inputs or outputs, parameters under other names.
 */
export function scopesOf(graph: Graph, output: AnyNode): Scope {
  const nodes = needed(graph, output);
  checkNames(nodes);
  const readers = new Map<Value, AnyNode[]>();
  for (const node of nodes)
    for (const value of inputsOf(node)) readers.set(value, [...(readers.get(value) ?? []), node]);
  const context = { graph, output, readers, uses: usesOf(graph), isSame: padsSame(nodes) };
  return closed(sorted(nodes), context).scope;
}

interface Context {
  readonly graph: Graph;
  readonly output: AnyNode;
  readonly readers: ReadonlyMap<Value, readonly AnyNode[]>;
  readonly uses: ReadonlyMap<Value, number>;
  readonly isSame: boolean;
}

/** A scope, with the value that it reads and the one that it gives. */
interface Closed {
  readonly scope: Scope;
  readonly input: Value;
  readonly result: AnyNode;
}

function closed(draft: Draft, context: Context): Closed {
  const { graph, output, readers, uses, isSame } = context;
  const path = draft.path || "it";
  const inside = new Set<Value>(nodesIn(draft));
  const read = new Set([...nodesIn(draft)].flatMap(dataOf).filter((value) => !inside.has(value)));
  const given = nodesIn(draft).filter((node) => node === output || readers.get(node)?.some((by) => !inside.has(by)));
  const [[input], [result]] = [[...read], given];
  if (read.size !== 1 || given.length !== 1 || !input || !result)
    throw new UnsupportedError(
      `${graph.name}: ${path} reads ${read.size} values and gives ${given.length}, expected one of each, as a ` +
        "PyTorch module has them",
    );
  const inPlace = nodesIn(draft).every((node) => node.op !== "relu" || mayOverwrite(node, uses));
  const refs = new Map<Value, Ref>([[input, "x"]]);
  const refOf = (value: Value): Ref => {
    const ref = refs.get(value);
    if (ref !== undefined) return ref;
    throw new UnsupportedError(`${graph.name}: ${path} reads ${value.name} before it is computed`);
  };
  const steps = draft.parts.map((part, index): Step => {
    const name = localOf(part, draft);
    if (!isDraft(part)) {
      const step = stepOf(part, name, dataOf(part).map(refOf), { isSame, inPlace });
      refs.set(part, index);
      return step;
    }
    const inner = closed(part, context);
    const step: ScopeStep = { kind: "scope", name, scope: inner.scope, inputs: [refOf(inner.input)] };
    refs.set(inner.result, index);
    return step;
  });
  if (refs.get(result) !== steps.length - 1)
    throw new UnsupportedError(`${graph.name}: ${result.name} is not the last value of ${path}`);
  const isSequence = draft.path !== "" && draft.parts.every((part) => /^\d{1,4}$/.test(localOf(part, draft)));
  const scope = { path: draft.path, isSequence, steps, inputs: channelsOf(input), outputs: channelsOf(result) };
  return { scope: isSequence ? asSequence(scope, graph) : scope, input, result };
}

/** The nodes that a value is computed from, in the order in which they run. */
function needed(graph: Graph, output: Value): readonly AnyNode[] {
  const known = new Set<Value>([output]);
  for (const node of nodesOf(graph).toReversed())
    if (known.has(node)) for (const value of inputsOf(node)) known.add(value);
  return nodesOf(graph).filter((node) => known.has(node));
}

/** Words that Python, or a module of PyTorch, has a meaning for. */
// biome-ignore format: words
const reserved: ReadonlySet<string> = new Set([
  "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
  "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
  "not", "or", "pass", "raise", "return", "try", "while", "with", "yield", "add_module", "apply", "buffers",
  "children", "compile", "cpu", "cuda", "double", "eval", "extra_repr", "float", "forward", "half", "modules",
  "parameters", "register_buffer", "register_module", "state_dict", "to", "train", "training", "type", "zero_grad",
]);

/** Throws UnsupportedError for names that cannot be attributes of a module. */
function checkNames(nodes: readonly AnyNode[]): void {
  for (const { name } of nodes) {
    const isName = name.split(".").every((word) => /^(\d{1,4}|[A-Za-z]\w{0,99})$/.test(word) && !reserved.has(word));
    if (!isName)
      throw new UnsupportedError(`${JSON.stringify(name.slice(0, 100))} is no name of a PyTorch module; rename it`);
  }
}

/** Sorts nodes into scopes by the parts of their names. A node with the name of a scope belongs to it. */
function sorted(nodes: readonly AnyNode[]): Draft {
  const paths = new Set(nodes.flatMap(({ name }) => outersOf(name)));
  const root: Draft = { path: "", parts: [] };
  const drafts = new Map<string, Draft>([["", root]]);
  for (const node of nodes) {
    let draft = root;
    for (const path of [...outersOf(node.name), ...(paths.has(node.name) ? [node.name] : [])]) {
      const known = drafts.get(path) ?? { path, parts: [] };
      if (!drafts.has(path)) draft.parts.push(known);
      drafts.set(path, known);
      draft = known;
    }
    draft.parts.push(node);
  }
  return root;
}

/** `layer1` and `layer1.0` for `layer1.0.conv1`. */
function outersOf(name: string): readonly string[] {
  const words = name.split(".");
  return words.slice(1).map((_, at) => words.slice(0, at + 1).join("."));
}

function nodesIn(draft: Draft): readonly AnyNode[] {
  return draft.parts.flatMap((part) => (isDraft(part) ? nodesIn(part) : part));
}

function isDraft(part: AnyNode | Draft): part is Draft {
  return "parts" in part;
}

function localOf(part: AnyNode | Draft, { path }: Draft): string {
  const name = isDraft(part) ? part.path : part.name;
  return name === path ? "" : path === "" ? name : name.slice(path.length + 1);
}

/** What a node reads besides its parameters. */
function dataOf(node: AnyNode): readonly Value[] {
  return inputsOf(node).filter(({ kind }) => kind === "node" || kind === "input");
}

/** Whether a ReLU may write into its input: no other node reads it, and it is not the caller's. */
function mayOverwrite(node: AnyNode, uses: ReadonlyMap<Value, number>): boolean {
  const [x] = inputsOf(node);
  return x?.kind === "node" && uses.get(x) === 1;
}

const calls: readonly string[] = ["add", "multiply", "subsample", "padChannels", "flatten"];

function stepOf(
  node: AnyNode,
  local: string,
  inputs: readonly Ref[],
  { isSame, inPlace }: { readonly isSame: boolean; readonly inPlace: boolean },
): Step {
  const layer = layerOf(node, isSame);
  const [input] = inputs;
  if (!layer && calls.includes(node.op))
    return { kind: "call", name: local, op: node.op, attributes: node.attributes, inputs };
  if (!layer || input === undefined || inputs.length > 1)
    throw new UnsupportedError(
      `${node.name} is a ${node.op}, which this export has no PyTorch code for; export .onnx instead`,
    );
  if (local === "") throw new UnsupportedError(`${node.name} is both a layer and the name of others; rename it`);
  checkParameters(node);
  if (layer.type !== "nn.ReLU") return { kind: "layer", name: local, layer, inputs: [input] };
  // torch.fx counts the calls of a module: relu, relu_1, relu_2
  const name = local.replace(/_\d{1,3}$/, "");
  return { kind: "layer", name, layer: { ...layer, fields: { inplace: inPlace } }, inputs: [input] };
}

/** PyTorch's names of each op's parameters. */
const fieldNames: { readonly [input: string]: string } = {
  weight: "weight",
  bias: "bias",
  scale: "weight",
  shift: "bias",
  mean: "running_mean",
  variance: "running_var",
};

function checkParameters(node: AnyNode): void {
  for (const [input, value] of Object.entries(node.inputs)) {
    if (value.kind === "node" || value.kind === "input") continue;
    const expected = `${node.name}.${fieldNames[input] ?? input}`;
    if (value.kind !== "variable" && value.name === expected) continue;
    throw new UnsupportedError(`${node.name} reads the ${value.kind} ${value.name}, expected ${expected}`);
  }
}

/** The scope with its modules at their numbers: places that are free hold modules that do nothing. */
function asSequence(scope: Scope, graph: Graph): Scope {
  const steps: Step[] = [];
  for (const [index, step] of scope.steps.entries()) {
    const isNext = step.inputs.length === 1 && step.inputs[0] === (index === 0 ? "x" : index - 1);
    if (step.kind === "call" || !isNext || Number(step.name) < steps.length)
      throw new UnsupportedError(`${graph.name}: ${scope.path} is numbered like a sequence of modules, and is none`);
    while (steps.length < Number(step.name))
      steps.push({ kind: "layer", name: String(steps.length), layer: identity, inputs: [previous(steps)] });
    steps.push({ ...step, inputs: [previous(steps)] });
  }
  return { ...scope, steps };
}

function previous(steps: readonly Step[]): Ref {
  return steps.length === 0 ? "x" : steps.length - 1;
}
