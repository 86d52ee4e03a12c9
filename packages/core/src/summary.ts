import type { InputRole } from "./ir/define-op.ts";
import { type Graph, nodesOf } from "./ir/graph.ts";
import { sizeOf } from "./ir/tensor.ts";
import { type AnyNode, concrete, type Shape, type Value } from "./ir/value.ts";
import { macsOf, rolesOf } from "./ops/nodes.ts";

/** One row of a summary. */
export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  readonly shape: Shape;
  /** Trainable numbers that this layer is the first to read. */
  readonly parameters: number;
  /** Multiply-adds of convolutions and linear layers, for a batch of one where it is open. */
  readonly macs: number;
}

export interface Summary {
  readonly model: string;
  readonly input: Shape;
  readonly output: Shape;
  readonly parameters: number;
  readonly macs: number;
  readonly layers: readonly LayerSummary[];
}

/** What a graph consists of, layer by layer. Bound and open parameters count alike. */
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
    layers,
  };
}

/** What training would change: a batch norm's mean and variance are running statistics. */
function trainable(node: AnyNode): Value[] {
  const roles = rolesOf(node);
  return Object.entries(node.inputs)
    .filter(([name, { kind }]) => kind !== "node" && kind !== "input" && !isRunningStatistic(roles[name]!))
    .map(([, value]) => value);
}

function isRunningStatistic(role: InputRole): boolean {
  return role === "mean" || role === "variance";
}
