// Rows are consecutive in one array, so vectors are arrays with an offset.

/** The dot product of two vectors of `length`, in float64. */
export function dot(a: Float32Array, i: number, b: Float32Array, j: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a[i + k]! * b[j + k]!;
  return sum;
}

/** The unit of cosines. The dot product of unit vectors that were rounded to float32 is off by 2⁻²² at most. */
export const MILLIONTH = 1e-6;

/** The cosine of two unit vectors, rounded to millionths. */
export function cosineOf(a: Float32Array, i: number, b: Float32Array, j: number, length: number): number {
  return Math.round(dot(a, i, b, j, length) / MILLIONTH) / 1e6;
}

/** The vector divided by its length, rounded to float32; undefined if its length is 0 or not finite. */
export function unitOf(vector: ArrayLike<number>): Float32Array | undefined {
  let sum = 0;
  for (let k = 0; k < vector.length; k++) sum += vector[k]! * vector[k]!;
  const length = Math.sqrt(sum);
  if (!(length > 0 && Number.isFinite(length))) return undefined;
  const unit = new Float32Array(vector.length); // Float32Array.from takes six times as long
  for (let k = 0; k < vector.length; k++) unit[k] = vector[k]! / length;
  return unit;
}
