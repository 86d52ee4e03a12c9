import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";

/**
 * The square root. A negative number gives NaN.
 *
 *   x  ->  the same shape
 * Source: PyTorch sqrt, ONNX Sqrt.
 */
export const sqrt: Op<"sqrt", "x"> = defineOp({
  name: "sqrt",
  inputs: { x: "data" },
  ...noAttributes,
  shape: ({ x }) => x,
  evaluate: ({ x }) => x.data.map(Math.sqrt),
});
