import type { InputRole } from "./ir/define-op.ts";
import { type Graph, inputsOf, nodesOf, valuesOf } from "./ir/graph.ts";
import { spentAfter } from "./ir/liveness.ts";
import { sizeOf } from "./ir/tensor.ts";
import { type AnyNode, concrete, type Shape, type Value } from "./ir/value.ts";
import { macsOf, rolesOf } from "./ops/nodes.ts";

/** One row of a summary. */
export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  readonly shape: Shape;
  /** Trainable numbers, counted at the first layer that reads them. */
  readonly parameters: number;
  /** Multiply-adds of convolutions and linear layers; an open batch counts as 1. */
  readonly macs: number;
}

/** Bytes of a network's numbers in float32; an open batch counts as 1. */
export interface MemorySummary {
  readonly input: number;
  /** Trainable numbers, running statistics, and all other constants and variables. */
  readonly parameters: number;
  /** The outputs of all nodes together: a forward pass that keeps each output, as training does. */
  readonly activations: number;
  /**
   * Peak of the activations that inference needs at once, with the input: each is freed after its last reader. Backends
   * that fuse nodes need less.
   */
  readonly peak: number;
}

export interface Summary {
  readonly model: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly parameters: number;
  readonly macs: number;
  readonly memory: MemorySummary;
  readonly layers: readonly LayerSummary[];
}

/** The layers of a graph. Bound and open parameters count alike. */
export function summarize(graph: Graph): Summary {
  const seen = new Set<Value>();
  const layers = nodesOf(graph).map((node) => {
    const fresh = trainable(node).filter((value) => !seen.has(value));
    for (const value of fresh) seen.add(value);
    const parameters = fresh.reduce((sum, { shape }) => sum + sizeOf(concrete(shape, 1)), 0);
    return { name: node.name, op: node.op, shape: node.shape, parameters, macs: macsOf(node, 1) };
  });
  const total = (count: (layer: LayerSummary) => number) => layers.reduce((sum, layer) => sum + count(layer), 0);
  return {
    model: graph.name,
    input: Object.values(graph.inputs)[0]?.shape ?? [],
    output: Object.values(graph.outputs)[0]?.shape ?? [],
    parameters: total((layer) => layer.parameters),
    macs: total((layer) => layer.macs),
    memory: memoryOf(graph),
    layers,
  };
}

function memoryOf(graph: Graph): MemorySummary {
  const values = valuesOf(graph);
  const bytes = (some: readonly Value[]) => some.reduce((sum, value) => sum + float32Bytes(value), 0);
  const inputs = values.filter(({ kind }) => kind === "input");
  return {
    input: bytes(inputs),
    parameters: bytes(values.filter(({ kind }) => kind !== "input" && kind !== "node")),
    activations: bytes(nodesOf(graph)),
    peak: peakOf(graph, bytes(inputs)),
  };
}

/** Peak bytes of the activations that are alive at once, starting with the inputs. */
function peakOf(graph: Graph, inputs: number): number {
  const isActivation = ({ kind }: Value) => kind === "node" || kind === "input";
  const nodes = nodesOf(graph);
  const steps = nodes.map((node) => ({ reads: inputsOf(node).filter(isActivation), writes: node as Value }));
  const kept = [...Object.values<Value>(graph.outputs), ...graph.updates.map(({ value }) => value)];
  const spent = spentAfter(steps, kept);
  let [alive, peak] = [inputs, inputs];
  for (const [at, node] of nodes.entries()) {
    alive += float32Bytes(node);
    peak = Math.max(peak, alive);
    for (const value of spent[at]!) alive -= float32Bytes(value);
  }
  return peak;
}

const float32Bytes = ({ shape }: Value): number => 4 * sizeOf(concrete(shape, 1));

/**
 * Numbers that training updates by gradients. A batch norm's mean and variance are running statistics; state and
 * constants that an op reads as data are no parameters.
 */
function trainable(node: AnyNode): Value[] {
  const roles = rolesOf(node);
  return Object.entries(node.inputs)
    .filter(([name, { kind }]) => kind !== "node" && kind !== "input" && isTrained(roles[name]!))
    .map(([, value]) => value);
}

function isTrained(role: InputRole): boolean {
  return role !== "mean" && role !== "variance" && role !== "data";
}
