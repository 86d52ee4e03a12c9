import { defineOp, noAttributes, type Op, rank2 } from "../ir/define-op.ts";
import { logSoftmaxGradient } from "./log-softmax-gradient.ts";
import { rowSum } from "./softmax.ts";

/**
 * The logarithm of softmax, per row: x − log Σ e^x. Avoids the underflow of log(softmax(x)).
 *
 *   x [N, C]  ->  [N, C]
 * C1  x has rank 2.
 * Source: PyTorch LogSoftmax(dim=1).
 */
export const logSoftmax: Op<"logSoftmax", "x"> = defineOp({
  name: "logSoftmax",
  inputs: { x: "data" },
  ...noAttributes,
  shape({ x }) {
    rank2(x, "logSoftmax.C1");
    return x;
  },
  evaluate({ x }, _, shape) {
    const classes = shape[1]!;
    const y = new Float64Array(x.data.length);
    for (let start = 0; start < y.length; start += classes) {
      const { largest, sum } = rowSum(x.data.subarray(start, start + classes));
      for (let i = start; i < start + classes; i++) y[i] = x.data[i]! - largest - Math.log(sum);
    }
    return y;
  },
  gradient: ({ inputs: { x } }, dy) => ({ x: logSoftmaxGradient({ x, dy }) }),
});
