import type { Shape, Value } from "../../ir/value.ts";
import { sum } from "../sum.ts";
import { total } from "./total.ts";

/** The sum of x to a shape that broadcasts to the shape of x: the gradient of the smaller operand. */
export function sumTo(x: Value, shape: Shape): Value {
  if (shape.length === 0 && x.shape.length > 0) return total(x);
  const axes = shape.flatMap((size, axis) => (size === 1 && x.shape[axis] !== 1 ? [axis] : []));
  return axes.length === 0 ? x : sum({ x }, { axes });
}
