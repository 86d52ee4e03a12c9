import type { ResNetSpec } from "@residual/core";

/**
 * The row with the epsilon of a file's norms. Files store it as float32: the row stays as it is where both round to the
 * same float32.
 */
export function withEpsilon(row: ResNetSpec, epsilon: number | undefined): ResNetSpec {
  const isSame = epsilon === undefined || Math.fround(epsilon) === Math.fround(row.epsilon ?? 1e-5);
  return isSame ? row : { ...row, epsilon };
}
