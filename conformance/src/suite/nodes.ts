import {
  type AnyNode,
  type Backend,
  type Graph,
  nodesOf,
  type OpName,
  readTensor,
  type Tensor,
  throwIfAborted,
  type Value,
  valuesOf,
  type WorkOptions,
} from "@residual/core";
import { type Arithmetic, float32 } from "./arithmetic.ts";
import { answered, type Outcome, roundToFloat32, runTrials, type Trial } from "./trial.ts";

/**
 * One trial for each node of a bound graph, in the graph's order. A node's inputs are the reference's answers, rounded
 * to float32. Rounding errors thus do not accumulate: a node over its bound is itself at fault.
 */
async function* trialsOf(
  graph: Graph,
  inputs: { readonly [name: string]: Tensor<"float32"> },
  options: WorkOptions = {},
): AsyncGenerator<Trial> {
  const known = new Map<Value, Tensor<"float32">>();
  const last = lastReaders(graph);
  const total = nodesOf(graph).length;
  let done = 0;
  for (const value of valuesOf(graph)) {
    throwIfAborted(options.signal);
    if (value.kind === "input") known.set(value, roundToFloat32(inputs[value.name]!));
    if (value.kind === "constant") known.set(value, roundToFloat32(await readTensor(value.source)));
    if (value.kind !== "node") continue;
    const trial = answered(trialOf(value, known));
    yield trial;
    known.set(value, roundToFloat32(trial.answer));
    for (const read of last.get(value) ?? []) known.delete(read);
    options.onProgress?.({ stage: "nodes", done: ++done, total });
  }
}

/** Runs each node of a graph alone on a backend. */
export function runNodes(
  backend: Backend,
  graph: Graph,
  inputs: { readonly [name: string]: Tensor<"float32"> },
  arithmetic: Arithmetic = float32,
  options: WorkOptions = {},
): AsyncGenerator<Outcome> {
  return runTrials(backend, trialsOf(graph, inputs, options), arithmetic, options);
}

function trialOf(node: AnyNode, known: ReadonlyMap<Value, Tensor<"float32">>): Trial {
  const inputs = Object.entries(node.inputs);
  const constants = inputs.filter(([, { kind }]) => kind === "constant");
  return {
    name: node.name,
    op: node.op as OpName,
    attributes: node.attributes,
    inputs: Object.fromEntries(inputs.map(([name, value]) => [name, known.get(value)!])),
    constants: new Set(constants.map(([name]) => name)),
    names: Object.fromEntries(constants.map(([name, value]) => [name, value.name])),
  };
}

/** For each node, the values that no later node reads. */
function lastReaders(graph: Graph): ReadonlyMap<Value, readonly Value[]> {
  const reader = new Map<Value, AnyNode>();
  for (const node of nodesOf(graph)) for (const value of Object.values(node.inputs)) reader.set(value, node);
  const read = new Map<Value, Value[]>();
  for (const [value, node] of reader) read.set(node, [...(read.get(node) ?? []), value]);
  return read;
}
