import { rebuild } from "../ir/graph.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { type AnyNode, constant, type Value } from "../ir/value.ts";
import { opOf } from "../ops/nodes.ts";
import type { Pass } from "./rewrite.ts";

/** A node of constants alone answers the same in every run: it becomes that answer, by the op's own evaluation. */
export const foldConstants: Pass = (graph) => rebuild(graph, (node) => fold(node));

function fold(node: AnyNode): Value {
  const inputs = Object.entries(node.inputs);
  const tensors: { [name: string]: Tensor<"float64"> } = {};
  for (const [name, value] of inputs) {
    if (value.kind !== "constant") return node;
    tensors[name] = toFloat64(value.tensor);
  }
  const shape = node.shape as readonly number[]; // of constants, whose sizes are known
  return constant(node.name, tensorOf("float64", shape, opOf(node).evaluate(tensors, node.attributes, shape)));
}
