import { hashU32, type OpName, sizeOf } from "@residual/core";
import type { Cut } from "./ops/op-suite.ts";
import { suiteOf } from "./ops/suites.ts";

/** The inputs of one element; undefined if the op has no rule to cut out elements. */
export function cutOut(
  op: OpName,
  inputs: Cut["inputs"],
  attributes: object,
  index: readonly number[],
): Cut | undefined {
  return suiteOf(op).cut?.(inputs, attributes, index);
}

/** The number of random elements in addition to the corners. */
const DRAWN = 40;

/**
 * Flat indices of the output elements to check: the corners of the first and last plane, and some random elements, the
 * same each time. Padding, tails of tiles and the end of a batch show at the corners.
 */
export function samplesOf(shape: readonly number[], seed: number): readonly number[] {
  const size = sizeOf(shape);
  if (size <= DRAWN) return Array.from({ length: size }, (_, i) => i);
  const ends = shape.map((length) => [0, length - 1]);
  const corners = ends.reduce<number[]>(
    (flat, pair, axis) => flat.flatMap((at) => pair.map((each) => at * shape[axis]! + each)),
    [0],
  );
  const drawn = Array.from({ length: DRAWN }, (_, k) => Math.floor((hashU32(seed, k) / 2 ** 32) * size));
  return [...new Set([...corners, ...drawn])].sort((a, b) => a - b);
}
