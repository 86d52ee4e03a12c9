import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";

/**
 * The gradient of relu, from its output y: dy where y > 0, and 0 where y ≤ 0.
 *
 *   y, dy  ->  the same shape
 * C1  y and dy have the same shape.
 * Where y is NaN the result is dy in PyTorch and here; backends may give 0 or NaN. Source: PyTorch threshold_backward.
 */
export const reluGradient: Op<"reluGradient", "y" | "dy"> = defineOp({
  name: "reluGradient",
  inputs: { y: "data", dy: "data" },
  ...noAttributes,
  shape({ y, dy }) {
    check(y.join() === dy.join(), "reluGradient.C1", () => `y is ${formatShape(y)}, dy is ${formatShape(dy)}`);
    return dy;
  },
  evaluate: ({ y, dy }) => dy.data.map((value, i) => (y.data[i]! <= 0 ? 0 : value)),
});
