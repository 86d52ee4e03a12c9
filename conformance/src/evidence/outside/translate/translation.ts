import { type AnyNode, ops, sizeOf, type Value } from "@residual/core";
import { filled, type Operand, viewed } from "../operand.ts";
import type { Refusal } from "../refusal.ts";

/** Makes a value of a graph of a vector's numbers; the backend decides how they get there. */
export type Leaf = (operand: Operand) => Value;

/** A request in our ops. */
interface Expressed {
  readonly y: Value;
  /** The layout of the recorded answer for the comparison, without its shape; default: unchanged. */
  readonly layout?: (expected: Operand) => Operand;
}

export type Translation = Expressed | Refusal;

/** As an image, for what an op does to every number alike. */
export function asImage(x: Operand): Operand {
  return viewed(x, [1, 1, sizeOf(x.shape), 1]);
}

/** Every number of an image times the same one. */
export function scaled(x: Value, factor: number, leaf: Leaf): AnyNode {
  const [n, c] = x.shape as readonly number[];
  return ops.multiply({ x, gate: leaf(filled([n!, c!, 1, 1], factor)) });
}

/** Exact, since nothing but a sign changes. */
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

/** An axis counted from the end where it is negative. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The sizes before an axis, of it, and after it: row-major numbers can always be seen so. */
export function around(shape: readonly number[], axis: number): readonly [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis] ?? 1, sizeOf(shape.slice(axis + 1))];
}
