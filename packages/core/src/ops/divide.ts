import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { affine } from "./affine.ts";
import { checkBroadcast, eachBroadcast } from "./shared/broadcast.ts";
import { sumTo } from "./shared/sum-to.ts";
import { times } from "./times.ts";

/**
 * The quotient a / b, element by element; b is repeated along axes where its size is 1.
 *
 *   a, b  ->  the shape of a
 * C1  b is a scalar, or has the rank of a and on each axis the size 1 or the size of a.
 * Source: PyTorch div and ONNX Div, where b broadcasts to a.
 */
export const divide: Op<"divide", "a" | "b"> = defineOp({
  name: "divide",
  inputs: { a: "data", b: "data" },
  ...noAttributes,
  shape({ a, b }) {
    checkBroadcast(b, a, "divide.C1", "b");
    return a;
  },
  evaluate({ a, b }, _, shape) {
    const y = new Float64Array(a.data.length);
    eachBroadcast(b.shape, shape, (i, at) => {
      y[i] = a.data[i]! / b.data[at]!;
    });
    return y;
  },
  gradient({ inputs: { b }, output }, dy) {
    const slope = affine({ x: divide({ a: output, b }) }, { factor: -1 });
    return { a: divide({ a: dy, b }), b: sumTo(times({ a: dy, b: slope }), b.shape) };
  },
});
