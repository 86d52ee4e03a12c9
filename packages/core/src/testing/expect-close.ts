import { expect } from "vitest";

/** Compares numbers to expected ones, relative to the largest of these. */
export function expectClose(
  found: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  expected: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  tolerance: number,
): void {
  expect(found.shape).toEqual(expected.shape);
  const largest = Math.max(...Array.from(expected.data, Math.abs), Number.MIN_VALUE);
  const worst = Math.max(...Array.from(expected.data, (value, i) => Math.abs(value - found.data[i]!)), 0);
  expect(worst / largest, `found ${shown(found.data)}, expected ${shown(expected.data)}`).toBeLessThanOrEqual(
    tolerance,
  );
}

const shown = (data: ArrayLike<number>) => Array.from(data).slice(0, 8).join(", ");
