import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { concrete, formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { total } from "./shared/total.ts";
import { times } from "./times.ts";

/**
 * The mean of (x − target)² over all elements.
 *
 *   x, target  ->  scalar
 * C1  x has a closed batch.
 * C2  target has the shape of x.
 * Composite of affine, add, times, sum and reshape. Source: PyTorch MSELoss.
 */
export const meanSquaredError: CompositeOp<"meanSquaredError", "x" | "target"> = defineComposite({
  name: "meanSquaredError",
  inputs: { x: "data", target: "data" },
  ...noAttributes,
  check({ x, target }) {
    check(x[0] !== "N", "meanSquaredError.C1", "the mean over a batch needs its size; fix the batch with closeBatch");
    const expected = () => `target is ${formatShape(target)}, expected ${formatShape(x)}`;
    check(target.join() === x.join(), "meanSquaredError.C2", expected);
  },
  decompose({ x, target }) {
    const difference = add({ a: x, b: affine({ x: target }, { factor: -1 }) });
    const sum = total(times({ a: difference, b: difference }));
    return affine({ x: sum }, { factor: 1 / sizeOf(concrete(x.shape, 1)) });
  },
});
