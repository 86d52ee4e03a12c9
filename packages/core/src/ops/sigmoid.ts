import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { sigmoidGradient } from "./sigmoid-gradient.ts";

/**
 * The logistic function: 1 / (1 + e^−x).
 *
 *   x  ->  the same shape
 * Source: PyTorch Sigmoid. The gate of squeeze-excitation (Hu et al. 2018, section 3.2).
 */
export const sigmoid: Op<"sigmoid", "x"> = defineOp({
  name: "sigmoid",
  inputs: { x: "data" },
  ...noAttributes,
  shape: ({ x }) => x,
  evaluate: ({ x }) => x.data.map((value) => 1 / (1 + Math.exp(-value))),
  gradient: ({ output: y }, dy) => ({ x: sigmoidGradient({ y, dy }) }),
});
