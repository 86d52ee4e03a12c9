import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { root } from "./residual.ts";

/** PyTorch's float64 answers: conformance/golden/README.md says what each field is. */
export function golden<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../../../../conformance/golden/${path}`, import.meta.url), "utf8")) as T;
}

/** Pillow's crops of pictures, with values of torchvision's own tensors. */
const vision = new URL("../../../vision/golden/preprocess/", import.meta.url);

export const visionFile = (path: string): string => fileURLToPath(new URL(path, vision));

/** A path of real data beside the clone; undefined, and said aloud, where it is missing, for `it.skipIf`. */
export function sharedPath(path: string): string | undefined {
  const full = fileURLToPath(new URL(`../shared/${path}`, new URL(`file://${root}`)));
  if (existsSync(full)) return full;
  console.warn(`SKIPPED: ${full} is missing`);
  return undefined;
}

export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < values.length; i++) best = Math.max(best, Math.abs(values[i]!));
  return best;
}

/** Fails where a value is further from the expected one than `bound`, in units of the largest expected. NaN is far. */
export function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>, bound: number, scale?: number): void {
  expect(found.length).toBe(expected.length);
  const unit = scale ?? largest(expected);
  const far = Array.from(expected, (value, i) => ({ at: i, found: found[i]!, expected: value })).filter(
    ({ found, expected }) => !(Math.abs(found - expected) <= bound * unit),
  );
  expect(far).toEqual([]);
}
