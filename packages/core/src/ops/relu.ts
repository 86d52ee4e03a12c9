import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { reluGradient } from "./relu-gradient.ts";

/**
 * The positive part: max(x, 0). NaN stays NaN.
 *
 *   x  ->  the same shape
 * Source: PyTorch ReLU. Its gradient at 0 is 0.
 */
export const relu: Op<"relu", "x"> = defineOp({
  name: "relu",
  inputs: { x: "data" },
  ...noAttributes,
  shape: ({ x }) => x,
  evaluate: ({ x }) => x.data.map((value) => Math.max(value, 0)),
  gradient: ({ output: y }, dy) => ({ x: reluGradient({ y, dy }) }),
});
