import { type AnyNode, ops, sizeOf, type Value } from "@residual/core";
import { filled, type Operand, viewed } from "../operand.ts";
import type { Refusal } from "../refusal.ts";

/** Makes a graph's value from a vector's numbers. The caller decides whether the value is an input or a constant. */
export type Leaf = (operand: Operand) => Value;

/** A request as a graph of our ops. */
interface Expressed {
  readonly y: Value;
  /** Brings the recorded answer into the layout of `y`, except for the shape. Default: unchanged. */
  readonly layout?: (expected: Operand) => Operand;
}

export type Translation = Expressed | Refusal;

/** The tensor as an image, for an op that treats all numbers alike. */
export function asImage(x: Operand): Operand {
  return viewed(x, [1, 1, sizeOf(x.shape), 1]);
}

/** Multiplies every number of an image by `factor`. */
export function scaled(x: Value, factor: number, leaf: Leaf): AnyNode {
  const [n, c] = x.shape as readonly number[];
  return ops.multiply({ x, gate: leaf(filled([n!, c!, 1, 1], factor)) });
}

/** Exact, since only the sign changes. */
export function negated(x: Value, leaf: Leaf): AnyNode {
  return scaled(x, -1, leaf);
}

export function shifted(x: Value, by: number, leaf: Leaf): AnyNode {
  return ops.add({ a: x, b: leaf(filled(x.shape as readonly number[], by)) });
}

/** max(x, least) is relu(x − least) + least. */
export function atLeast(x: Value, least: number, leaf: Leaf): AnyNode {
  if (least === 0) return ops.relu({ x });
  return shifted(ops.relu({ x: shifted(x, -least, leaf) }), least, leaf);
}

/** min(x, most) is −max(−x, −most). */
export function atMost(x: Value, most: number, leaf: Leaf): AnyNode {
  return negated(atLeast(negated(x, leaf), -most, leaf), leaf);
}

/** The index of an axis. A negative axis counts from the end. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The sizes before an axis, of the axis, and after the axis. Row-major numbers can always be viewed in this shape. */
export function around(shape: readonly number[], axis: number): readonly [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis] ?? 1, sizeOf(shape.slice(axis + 1))];
}
