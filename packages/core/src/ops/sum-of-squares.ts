import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { total as totalOf } from "./shared/total.ts";
import { times } from "./times.ts";

/**
 * The sum of the squares of all elements, added to a total.
 *
 *   x, total scalar  ->  scalar
 * C1  total, if given, is a scalar.
 * Composite of times, sum, reshape and add. A chain of them gives the square of a gradient's norm over all tensors.
 * Source: PyTorch clip_grad_norm_.
 */
export const sumOfSquares: CompositeOp<"sumOfSquares", "x", "total"> = defineComposite({
  name: "sumOfSquares",
  inputs: { x: "data" },
  optional: { total: "data" },
  ...noAttributes,
  check({ total }) {
    const isScalar = total === undefined || total.length === 0;
    check(isScalar, "sumOfSquares.C1", () => `total is ${total && formatShape(total)}, expected a scalar`);
  },
  decompose({ x, total }) {
    const own = totalOf(times({ a: x, b: x }));
    return total ? add({ a: total, b: own }) : own;
  },
});
