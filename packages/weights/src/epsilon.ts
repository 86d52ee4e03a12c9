import type { ResNetSpec } from "@residual/core";

/**
 * The row with the epsilon that a file's norms have. One of the same float32 is the row's own, since files keep it so.
 */
export function withEpsilon(row: ResNetSpec, epsilon: number | undefined): ResNetSpec {
  const isSame = epsilon === undefined || Math.fround(epsilon) === Math.fround(row.epsilon ?? 1e-5);
  return isSame ? row : { ...row, epsilon };
}
