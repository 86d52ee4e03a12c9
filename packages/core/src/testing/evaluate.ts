import { type Graph, valuesOf } from "../ir/graph.ts";
import { mapValues } from "../ir/names.ts";
import { isTensor } from "../ir/source.ts";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";
import { concrete, type Value } from "../ir/value.ts";
import { evaluateOp } from "../ops/nodes.ts";

/** The outputs of a graph for inputs in float64, which the reference's `run` does not take. */
export function evaluate(
  graph: Graph,
  inputs: { readonly [name: string]: Tensor<"float64"> },
): { [output: string]: Tensor<"float64"> } {
  const known = new Map<Value, Tensor<"float64">>();
  const [batch = 1] = Object.values(inputs)[0]?.shape ?? [];
  for (const value of valuesOf(graph)) {
    if (value.kind === "node") {
      const operands = mapValues(value.inputs, (each) => known.get(each)!);
      const shape = concrete(value.shape, batch);
      known.set(value, tensorOf("float64", shape, evaluateOp(value, operands, shape)));
    } else if (value.kind === "input") {
      known.set(value, inputs[value.name]!);
    } else if (value.kind !== "parameter" && isTensor(value.source)) {
      known.set(value, toFloat64(value.source));
    }
  }
  return mapValues(graph.outputs, (value) => known.get(value)!);
}
