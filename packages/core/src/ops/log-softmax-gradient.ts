import { type CompositeOp, defineComposite, noAttributes, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { softmax } from "./softmax.ts";
import { sum } from "./sum.ts";
import { times } from "./times.ts";

/**
 * The gradient of logSoftmax: dy − softmax(x) · Σ dy, per row. For a cross-entropy it is (softmax(x) − target) / N.
 *
 *   x, dy [N, C]  ->  [N, C]
 * C1  x has rank 2.
 * C2  dy has the shape of x.
 * Composite of softmax, sum, affine, times and add. Source: PyTorch _log_softmax_backward_data.
 */
export const logSoftmaxGradient: CompositeOp<"logSoftmaxGradient", "x" | "dy"> = defineComposite({
  name: "logSoftmaxGradient",
  inputs: { x: "data", dy: "data" },
  ...noAttributes,
  check({ x, dy }) {
    rank2(x, "logSoftmaxGradient.C1");
    check(x.join() === dy.join(), "logSoftmaxGradient.C2", () => `x is ${formatShape(x)}, dy is ${formatShape(dy)}`);
  },
  decompose({ x, dy }) {
    const total = affine({ x: sum({ x: dy }, { axes: [1] }) }, { factor: -1 });
    return add({ a: dy, b: times({ a: softmax({ x }), b: total }) });
  },
});
