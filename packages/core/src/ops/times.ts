import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { checkBroadcast, eachBroadcast } from "./shared/broadcast.ts";
import { sumTo } from "./shared/sum-to.ts";

/**
 * The product, element by element; b is repeated along axes where its size is 1.
 *
 *   a, b  ->  the shape of a
 * C1  b is a scalar, or has the rank of a and on each axis the size 1 or the size of a.
 * A learning rate is a scalar b; a factor for each channel is b [1, C, 1, 1]. Source: PyTorch mul and ONNX Mul, where b
 * broadcasts to a. (`multiply` is the gate of squeeze-excitation, for which backends have kernels of its two forms.)
 */
export const times: Op<"times", "a" | "b"> = defineOp({
  name: "times",
  inputs: { a: "data", b: "data" },
  ...noAttributes,
  shape({ a, b }) {
    checkBroadcast(b, a, "times.C1", "b");
    return a;
  },
  evaluate({ a, b }, _, shape) {
    const y = new Float64Array(a.data.length);
    eachBroadcast(b.shape, shape, (i, at) => {
      y[i] = a.data[i]! * b.data[at]!;
    });
    return y;
  },
  gradient: ({ inputs: { a, b } }, dy) => ({ a: times({ a: dy, b }), b: sumTo(times({ a: dy, b: a }), b.shape) }),
});
