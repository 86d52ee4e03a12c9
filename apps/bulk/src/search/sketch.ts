import type { Block } from "./index-file.ts";
import { dot } from "./vectors.ts";

/** Dimensions of a sketch, besides the length of the rest. */
const WIDTH = 32;

/** Rows that are compared with one row at a time. */
const AT_A_TIME = 4;

/**
 * Short forms of unit vectors, [count, width], and zeros up to a multiple of 4 rows: the vectors' numbers in the
 * dimensions that vary most, then the length of the other dimensions. By the inequality of Cauchy and Schwarz, the dot
 * product of two sketches is at least that of their vectors. So pairs whose sketches do not reach a threshold need no
 * further work.
 */
export interface Sketches {
  readonly width: number;
  readonly data: Float64Array;
}

/** Makes sketches with the dimensions that vary most in a sample [count, dimensions]. */
export function sketcher(sample: Block, dimensions: number): (block: Block) => Sketches {
  const kept = mostVarying(sample, dimensions);
  const width = kept.length + 1;
  return ({ count, data }) => {
    const sketches = new Float64Array(Math.ceil(count / AT_A_TIME) * AT_A_TIME * width);
    for (let row = 0; row < count; row++) {
      const from = row * dimensions;
      let rest = dot(data, from, data, from, dimensions);
      for (const [i, dimension] of kept.entries()) {
        const value = data[from + dimension]!;
        sketches[row * width + i] = value;
        rest -= value * value;
      }
      sketches[row * width + kept.length] = Math.sqrt(Math.max(0, rest)); // NaN stays NaN
    }
    return { width, data: sketches };
  };
}

function mostVarying({ count, data }: Block, dimensions: number): readonly number[] {
  const [sums, squares] = [new Float64Array(dimensions), new Float64Array(dimensions)];
  let rows = 0;
  for (let row = 0; row < count; row++) {
    if (Number.isNaN(data[row * dimensions])) continue;
    rows++;
    for (let k = 0; k < dimensions; k++) {
      const value = data[row * dimensions + k]!;
      sums[k]! += value;
      squares[k]! += value * value;
    }
  }
  const variances = squares.map((square, k) => square - sums[k]! ** 2 / rows);
  return [...variances.keys()].sort((a, b) => variances[b]! - variances[a]!).slice(0, WIDTH);
}

/** Calls `found` for row `i` of `a` and each row from `first` to before `end` of `b` whose sketches reach `least`. */
export function compareSketches(
  { width, data: a }: Sketches,
  i: number,
  { data: b }: Sketches,
  { first, end }: { readonly first: number; readonly end: number },
  least: number,
  found: (j: number) => void,
): void {
  for (let j = first; j < end; j += AT_A_TIME) {
    let [dot0, dot1, dot2, dot3] = [0, 0, 0, 0];
    const row0 = j * width;
    const [row1, row2, row3] = [row0 + width, row0 + 2 * width, row0 + 3 * width];
    for (let k = 0, at = i * width; k < width; k++, at++) {
      const value = a[at]!;
      dot0 += value * b[row0 + k]!;
      dot1 += value * b[row1 + k]!;
      dot2 += value * b[row2 + k]!;
      dot3 += value * b[row3 + k]!;
    }
    if (dot0 >= least) found(j);
    if (dot1 >= least) found(j + 1);
    if (dot2 >= least) found(j + 2);
    if (dot3 >= least) found(j + 3);
  }
}
