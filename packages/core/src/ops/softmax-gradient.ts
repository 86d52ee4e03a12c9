import { type CompositeOp, defineComposite, noAttributes, rank2 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { sum } from "./sum.ts";
import { times } from "./times.ts";

/**
 * The gradient of softmax, from its output y: y · (dy − Σ dy · y), per row.
 *
 *   y, dy [N, C]  ->  [N, C]
 * C1  y has rank 2.
 * C2  dy has the shape of y.
 * Composite of times, sum, affine and add. Source: PyTorch _softmax_backward_data.
 */
export const softmaxGradient: CompositeOp<"softmaxGradient", "y" | "dy"> = defineComposite({
  name: "softmaxGradient",
  inputs: { y: "data", dy: "data" },
  ...noAttributes,
  check({ y, dy }) {
    rank2(y, "softmaxGradient.C1");
    check(y.join() === dy.join(), "softmaxGradient.C2", () => `y is ${formatShape(y)}, dy is ${formatShape(dy)}`);
  },
  decompose({ y, dy }) {
    const product = times({ a: dy, b: y });
    const mean = affine({ x: sum({ x: product }, { axes: [1] }) }, { factor: -1 });
    return add({ a: product, b: times({ a: y, b: mean }) });
  },
});
