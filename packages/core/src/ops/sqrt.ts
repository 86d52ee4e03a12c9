import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { affine } from "./affine.ts";
import { divide } from "./divide.ts";

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
  gradient: ({ output }, dy) => ({ x: affine({ x: divide({ a: dy, b: output }) }, { factor: 0.5 }) }),
});
