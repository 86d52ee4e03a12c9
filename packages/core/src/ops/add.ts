import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";

/**
 * The sum, element by element: joins the branch and the shortcut of a residual block.
 *
 *   a, b  ->  the same shape
 * C1  a and b have the same shape.
 * Source: He et al. 2015, equation 1.
 */
export const add: Op<"add", "a" | "b"> = defineOp({
  name: "add",
  inputs: { a: "data", b: "data" },
  ...noAttributes,
  shape({ a, b }) {
    check(a.join() === b.join(), "add.C1", () => `a is ${formatShape(a)}, b is ${formatShape(b)}`);
    return a;
  },
  evaluate: ({ a, b }) => {
    const y = new Float64Array(a.data.length);
    for (let i = 0; i < y.length; i++) y[i] = a.data[i]! + b.data[i]!; // `map` takes several times as long
    return y;
  },
  gradient: (_, dy) => ({ a: dy, b: dy }),
});
