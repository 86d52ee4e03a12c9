import { constant, type Graph, graph, input, type Value } from "@residual/core";
import type { FloatTensor, OpGolden } from "./goldens.ts";
import type { Recorded } from "./ops/op-suite.ts";
import { opNames, suites } from "./ops/suites.ts";

/** How a case of the goldens is said in our ops. What is not here is of training, which no op of the IR does yet. */
const cases: { readonly [golden: string]: Recorded } = Object.fromEntries(
  opNames.flatMap((op) => Object.entries(suites[op].recorded ?? {})),
);

/** Whether a case is of an op that the IR has; the rest are gradients, losses and optimizers. */
export function isForward({ op }: OpGolden): boolean {
  return op in cases;
}

/**
 * The case as a graph. Images come in as inputs, and what a model would hold as its parameters as constants: backends
 * treat the two differently, onnxruntime lays out constant weights anew.
 */
export function graphOf(golden: OpGolden, tensors: { readonly [name: string]: FloatTensor }): Graph {
  const images = Object.keys(tensors).filter(
    (name) => ["x", "a", "b"].includes(name) && tensors[name]!.shape.length !== 1,
  );
  const values = Object.entries(tensors).map(([name, tensor]): [string, Value] => [
    name,
    images.includes(name) ? input(name, tensor.shape) : constant(name, tensor),
  ]);
  const y = cases[golden.op]!(Object.fromEntries(values), golden.attrs);
  const inputs = Object.fromEntries(values.filter(([name]) => images.includes(name)));
  return graph({ name: golden.id, inputs: inputs as Graph["inputs"], outputs: { y } });
}
