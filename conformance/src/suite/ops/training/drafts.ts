import fc, { type Arbitrary } from "fast-check";
import { image, rows, upTo } from "../drafts.ts";
import type { Draft } from "../op-suite.ts";

/** Images, rows, vectors and scalars. */
export const any: Arbitrary<readonly number[]> = fc.oneof(
  image,
  rows,
  upTo(33).map((c) => [c]),
  fc.constant<readonly number[]>([]),
);

/** A shape and another that broadcasts to it: a scalar, or some axes of size 1. */
export const broadcast: Arbitrary<readonly [readonly number[], readonly number[]]> = any.chain((shape) =>
  fc.oneof(
    fc.constant([shape, []] as const),
    fc
      .array(fc.boolean(), { minLength: shape.length, maxLength: shape.length })
      .map((keep) => [shape, shape.map((size, axis) => (keep[axis] ? size : 1))] as const),
  ),
);

/** Inputs of one shape. */
export function alike(...names: readonly string[]): Arbitrary<Draft> {
  return any.map((shape) => ({ shapes: Object.fromEntries(names.map((name) => [name, shape])) }));
}

/** Inputs of one shape [N, C]. */
export function alikeRows(...names: readonly string[]): Arbitrary<Draft> {
  return rows.map((shape) => ({ shapes: Object.fromEntries(names.map((name) => [name, shape])) }));
}
