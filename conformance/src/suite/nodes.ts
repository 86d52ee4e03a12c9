import {
  type AnyNode,
  type Backend,
  formatShape,
  type Graph,
  nodesOf,
  type OpName,
  optimize,
  readTensor,
  ShapeError,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  type Value,
  valuesOf,
  type WorkOptions,
} from "@residual/core";
import { type Arithmetic, float32 } from "./arithmetic.ts";
import { answered, expectationOf, type Outcome, outputShape, roundToFloat32, runTrials, type Trial } from "./trial.ts";

/** A bound graph, and the inputs of a run. */
export interface Subject {
  readonly graph: Graph;
  readonly inputs: { readonly [name: string]: Tensor<"float32"> };
}

/**
 * The right answer of a node: its value in float64, and the largest error of each element in float32. Plain data, which
 * can be posted to a worker.
 */
export interface NodeAnswer {
  readonly name: string;
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

/**
 * The right answers of all nodes of the optimized graph, in its order. They are the same for every backend: `bisect`
 * takes them, for a comparison of several. `onProgress` counts nodes. Throws AbortError.
 */
export async function* nodeAnswers(subject: Subject, options: WorkOptions = {}): AsyncGenerator<NodeAnswer> {
  for await (const trial of trialsOf({ ...subject, graph: optimize(subject.graph) }, options)) {
    const { bound } = expectationOf(trial);
    yield { name: trial.name, value: trial.answer.data, bound };
  }
}

/**
 * One trial for each node of a bound graph, in the graph's order. A node's inputs are the reference's answers, rounded
 * to float32. Rounding errors thus do not accumulate: a node over its bound is itself at fault. Throws ShapeError for
 * `answers` of another graph.
 */
async function* trialsOf(
  { graph, inputs }: Subject,
  options: WorkOptions = {},
  answers?: readonly NodeAnswer[],
): AsyncGenerator<Trial & Required<Pick<Trial, "answer">>> {
  const known = new Map<Value, Tensor<"float32">>();
  const last = lastReaders(graph);
  const total = nodesOf(graph).length;
  let done = 0;
  for (const value of valuesOf(graph)) {
    throwIfAborted(options.signal);
    if (value.kind === "input") known.set(value, roundToFloat32(inputs[value.name]!));
    if ("source" in value) known.set(value, roundToFloat32(await readTensor(value.source)));
    if (value.kind !== "node") continue;
    const trial = answers ? withAnswer(trialOf(value, known), answers[done]) : answered(trialOf(value, known));
    yield trial;
    known.set(value, roundToFloat32(trial.answer));
    for (const read of last.get(value) ?? []) known.delete(read);
    done++;
    options.onProgress?.({ stage: "nodes", done, total });
  }
}

/** Runs each node of a graph alone on a backend. */
export function runNodes(
  backend: Backend,
  subject: Subject,
  arithmetic: Arithmetic = float32,
  { answers, ...options }: WorkOptions & { readonly answers?: readonly NodeAnswer[] | undefined } = {},
): AsyncGenerator<Outcome> {
  return runTrials(backend, trialsOf(subject, options, answers), arithmetic, options);
}

/** The trial with its answer and bound. Throws ShapeError if they are not of its node. */
function withAnswer(trial: Trial, given: NodeAnswer | undefined): Trial & Required<Pick<Trial, "answer">> {
  const shape = outputShape(trial);
  if (given?.name !== trial.name || given.value.length !== sizeOf(shape)) {
    const found = given ? `${given.name} with ${given.value.length} numbers` : "nothing";
    throw new ShapeError(
      "bisect.A1",
      `the answers have ${found} for the node ${trial.name} ${formatShape(shape)}; take nodeAnswers of the same ` +
        "graph and inputs",
    );
  }
  return { ...trial, answer: tensorOf("float64", shape, given.value), bound: given.bound };
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
