// Matrices are arrays [rows, length]; vectors are rows of them.

export interface Matrix {
  readonly data: Float32Array;
  readonly length: number;
}

/** The dot product of row `i` of `a` and row `j` of `b`, in float64. */
export function dot(a: Matrix, i: number, b: Matrix, j: number): number {
  const { length } = a;
  const [x, y] = [a.data, b.data];
  let sum = 0;
  for (let k = 0, at = i * length, bt = j * length; k < length; k++) sum += x[at + k]! * y[bt + k]!;
  return sum;
}

/**
 * `dot` of row `i` of `a` with each row of `b` from `first` to before `end`. Four rows at a time: a processor adds to
 * several sums at once, which halves the time.
 */
export function dots(a: Matrix, i: number, b: Matrix, first: number, end: number, into: Float64Array): void {
  const { length } = a;
  const [x, y] = [a.data, b.data];
  let j = first;
  for (; j + 3 < end; j += 4) {
    let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
    const row0 = j * length;
    const [row1, row2, row3] = [row0 + length, row0 + 2 * length, row0 + 3 * length];
    for (let k = 0, at = i * length; k < length; k++, at++) {
      const value = x[at]!;
      sum0 += value * y[row0 + k]!;
      sum1 += value * y[row1 + k]!;
      sum2 += value * y[row2 + k]!;
      sum3 += value * y[row3 + k]!;
    }
    into[j - first] = sum0;
    into[j - first + 1] = sum1;
    into[j - first + 2] = sum2;
    into[j - first + 3] = sum3;
  }
  for (; j < end; j++) into[j - first] = dot(a, i, b, j);
}

/** The unit of cosines. The dot product of unit vectors that were rounded to float32 is off by 2⁻²² at most. */
export const MILLIONTH = 1e-6;

/** A cosine in millionths, from the dot product of unit vectors. */
export const cosineOf = (product: number): number => Math.round(product / MILLIONTH) / 1e6;

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
