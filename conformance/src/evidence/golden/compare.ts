import { expect } from "vitest";

/** The largest magnitude, but at least the smallest positive number, so that callers can divide by the result. */
export function largest(values: ArrayLike<number>): number {
  let best = Number.MIN_VALUE;
  for (let i = 0; i < values.length; i++) best = Math.max(best, Math.abs(values[i]!));
  return best;
}

/** The largest difference in units of `scale`; NaN where only one side is NaN. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>, scale: number): number {
  expect(found.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Object.is(found[i], expected[i]) ? 0 : Math.abs(found[i]! - expected[i]!);
    worst = Math.max(worst, difference);
  }
  return worst / scale;
}

/** Fails with a message that names `what`. */
export function expectWithin(what: string, error: number, bound: number): void {
  expect(
    error <= bound,
    `${what}: off by ${error.toExponential(2)} of the largest value, at most ${bound.toExponential(2)} expected`,
  ).toBe(true);
}

export function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}
