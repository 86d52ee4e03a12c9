import { defineOp, noAttributes, type Op, rank2 } from "../ir/define-op.ts";
import { softmaxGradient } from "./softmax-gradient.ts";

/**
 * Logits to probabilities, per row: e^x / Σ e^x. The row's maximum is subtracted first, so that nothing overflows.
 *
 *   x [N, C]  ->  [N, C]
 * C1  x has rank 2.
 * Source: PyTorch Softmax(dim=1).
 */
export const softmax: Op<"softmax", "x"> = defineOp({
  name: "softmax",
  inputs: { x: "data" },
  ...noAttributes,
  shape({ x }) {
    rank2(x, "softmax.C1");
    return x;
  },
  evaluate({ x }, _, shape) {
    const classes = shape[1]!;
    const y = new Float64Array(x.data.length);
    for (let start = 0; start < y.length; start += classes)
      y.set(softmaxRow(x.data.subarray(start, start + classes)), start);
    return y;
  },
  gradient: ({ output: y }, dy) => ({ x: softmaxGradient({ y, dy }) }),
});

/**
 * `exp(x) / Σ exp(x)` in float64. The maximum is subtracted first, so that no exp overflows. As in PyTorch, −∞ gives 0;
 * a NaN, a +∞, or a row of −∞ alone makes every probability NaN, since such logits mean that the model broke.
 */
export function softmaxRow(logits: ArrayLike<number> & Iterable<number>): Float64Array {
  const { largest, sum } = rowSum(logits);
  return Float64Array.from(logits, (logit) => Math.exp(logit - largest) / sum);
}

/** The maximum of a row, and Σ e^(x − maximum), which logSoftmax needs too. */
export function rowSum(logits: Iterable<number>): { largest: number; sum: number } {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return { largest, sum };
}
