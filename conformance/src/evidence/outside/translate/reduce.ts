import { type AnyNode, ops, sizeOf, type Value } from "@residual/core";
import { permuted, viewed } from "../operand.ts";
import { noOp } from "../refusal.ts";
import type { ReduceRequest } from "../request.ts";
import { rowSums } from "./matrices.ts";
import { axisOf, type Leaf, negated, type Translation } from "./translation.ts";

type Reduction = (x: Value, leaf: Leaf) => AnyNode;

/** Reductions of x [kept, 1, reduced, 1]. */
const reductions: { readonly [of: string]: Reduction } = {
  Mean: (x) => ops.globalAveragePool({ x }),
  Max: greatest,
  Min: (x, leaf) => negated(greatest(negated(x, leaf)), leaf),
  Sum: (x, leaf) => rowSums(ops.flatten({ x }), leaf),
  /** |x| is relu(x) + relu(−x). */
  L1(x, leaf) {
    const magnitude = ops.add({ a: ops.relu({ x }), b: ops.relu({ x: negated(x, leaf) }) });
    return rowSums(ops.flatten({ x: magnitude }), leaf);
  },
  L2: (x) => ops.sqrt({ x: ops.sum({ x: ops.times({ a: x, b: x }) }, { axes: [2] }) }),
};

const refusals: { readonly [of: string]: readonly [ops: readonly string[], because: string] } = {
  Product: [["product"], "product over an axis: no op"],
  LogSum: [["log", "logarithm"], "logarithm of a sum: no op takes a logarithm"],
  LogSumExp: [["log", "logSumExp"], "logarithm of a sum of exponentials: logSoftmax takes it off x"],
};

/** Moves the reduced axes to the end. The other axes become rows. */
export function reduce({ of, x, axes: given }: ReduceRequest, leaf: Leaf): Translation {
  const refusal = refusals[of];
  if (refusal) return noOp(...refusal);
  const axes = given.map((axis) => axisOf(axis, x.shape.length));
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const count = sizeOf(axes.map((axis) => x.shape[axis]!));
  const last = permuted(x, [...kept, ...axes]);
  const rows = sizeOf(x.shape) / count;
  if (of === "SumSquare") return { y: squares(leaf, viewed(last, [rows, count, 1, 1])) };
  return { y: reductions[of]!(leaf(viewed(last, [rows, 1, count, 1])), leaf) };
}

function greatest(x: Value): AnyNode {
  return ops.maxPool2d({ x }, { window: [x.shape[2] as number, 1] });
}

/** Multiplies each number by itself as its gate. */
function squares(leaf: Leaf, x: Parameters<Leaf>[0]): AnyNode {
  const value = leaf(x);
  return rowSums(ops.flatten({ x: ops.multiply({ x: value, gate: value }) }), leaf);
}
