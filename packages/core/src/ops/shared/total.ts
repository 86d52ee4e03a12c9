import type { AnyNode, Value } from "../../ir/value.ts";
import { reshape } from "../reshape.ts";
import { sum } from "../sum.ts";

/** The sum of all elements, a scalar. */
export function total(x: Value): AnyNode {
  return reshape({ x: sum({ x }, { axes: x.shape.map((_, axis) => axis) }) }, { shape: [] });
}
