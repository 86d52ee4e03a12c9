import type { ResNetSpec } from "@residual/core";

/**
 * The row with the epsilon of a file's norms. Files store epsilon as float32: if both values round to the same float32,
 * the row is unchanged.
 */
export function withEpsilon(row: ResNetSpec, epsilon: number | undefined): ResNetSpec {
  const isSame = epsilon === undefined || Math.fround(epsilon) === Math.fround(row.epsilon ?? 1e-5);
  return isSame ? row : { ...row, epsilon };
}
