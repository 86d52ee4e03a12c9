import { rebuild } from "../ir/graph.ts";
import { isTensor } from "../ir/source.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { type AnyNode, concrete, constant, type Value } from "../ir/value.ts";
import { evaluateOp } from "../ops/nodes.ts";
import type { Pass } from "./rewrite.ts";

/**
 * A node whose inputs are constants in memory has the same result in every run: it is replaced by that result, from the
 * op's own evaluation.
 */
export const foldConstants: Pass = (graph) => rebuild(graph, (node) => fold(node));

function fold(node: AnyNode): Value {
  const tensors: { [name: string]: Tensor<"float64"> } = {};
  for (const [name, value] of Object.entries(node.inputs)) {
    if (value.kind !== "constant" || !isTensor(value.source)) return node;
    tensors[name] = toFloat64(value.source);
  }
  const shape = concrete(node.shape, 1); // constants have no open batch
  return constant(node.name, tensorOf("float64", shape, evaluateOp(node, tensors, shape)));
}
