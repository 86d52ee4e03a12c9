import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { times } from "./times.ts";

/**
 * One of two values: `after` if the condition is 1, `before` if it is 0.
 *
 *   before, after of one shape, condition scalar  ->  the same shape
 * C1  after has the shape of before.
 * C2  condition is a scalar.
 * The condition must be 0 or 1, and both values finite: composite of condition · after + (1 − condition) · before.
 * Source: PyTorch where, ONNX Where.
 */
export const choose: CompositeOp<"choose", "before" | "after" | "condition"> = defineComposite({
  name: "choose",
  inputs: { before: "data", after: "data", condition: "data" },
  ...noAttributes,
  check({ before, after, condition }) {
    const isSame = after.join() === before.join();
    check(isSame, "choose.C1", () => `after is ${formatShape(after)}, before is ${formatShape(before)}`);
    const isScalar = condition.length === 0;
    check(isScalar, "choose.C2", () => `condition is ${formatShape(condition)}, expected a scalar`);
  },
  decompose({ before, after, condition }) {
    const other = affine({ x: condition }, { factor: -1, offset: 1 });
    return add({ a: times({ a: after, b: condition }), b: times({ a: before, b: other }) });
  },
});
