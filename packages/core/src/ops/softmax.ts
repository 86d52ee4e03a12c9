import { defineOp, noAttributes, type Op, rank2 } from "../ir/define-op.ts";

/**
 * Logits to probabilities, per row: e^x / Σ e^x. The largest of the row is taken off first, so that nothing overflows.
 *
 *   x [N, C]  ->  [N, C]
 * C1  x has rank 2.
 * Source: PyTorch Softmax(dim=1).
 */
export const softmax: Op<"softmax", "x"> = defineOp({
  name: "softmax",
  inputs: { x: "data" },
  attributes: noAttributes,
  shape({ x }) {
    rank2(x, "softmax.C1");
    return x;
  },
  evaluate({ x }, _, shape) {
    const classes = shape[1]!;
    const y = new Float64Array(x.data.length);
    for (let start = 0; start < y.length; start += classes) {
      const { largest, sum } = rowSum(x.data, start, classes);
      for (let i = start; i < start + classes; i++) y[i] = Math.exp(x.data[i]! - largest) / sum;
    }
    return y;
  },
});

/** The largest of a row, and Σ e^(x − largest), which logSoftmax needs too. */
export function rowSum(data: Float64Array, start: number, classes: number): { largest: number; sum: number } {
  let largest = -Infinity;
  for (let i = start; i < start + classes; i++) largest = Math.max(largest, data[i]!);
  let sum = 0;
  for (let i = start; i < start + classes; i++) sum += Math.exp(data[i]! - largest);
  return { largest, sum };
}
