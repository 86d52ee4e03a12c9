import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { affine } from "./affine.ts";
import { times } from "./times.ts";

/**
 * The gradient of sigmoid, from its output y: dy · y · (1 − y).
 *
 *   y, dy  ->  the same shape
 * C1  y and dy have the same shape.
 * Composite of affine and times. Source: PyTorch sigmoid_backward.
 */
export const sigmoidGradient: CompositeOp<"sigmoidGradient", "y" | "dy"> = defineComposite({
  name: "sigmoidGradient",
  inputs: { y: "data", dy: "data" },
  ...noAttributes,
  check({ y, dy }) {
    check(y.join() === dy.join(), "sigmoidGradient.C1", () => `y is ${formatShape(y)}, dy is ${formatShape(dy)}`);
  },
  decompose({ y, dy }) {
    const slope = times({ a: y, b: affine({ x: y }, { factor: -1, offset: 1 }) });
    return times({ a: dy, b: slope });
  },
});
