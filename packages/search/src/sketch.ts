import type { Block } from "./index-file.ts";
import { dot, type Matrix } from "./vectors.ts";

/** Dimensions of a sketch, besides the length of the rest. */
const WIDTH = 32;

/**
 * Makes sketches of unit vectors, [count, length]: the vectors' numbers in the dimensions that vary most in a sample,
 * then the length of the others as a vector. By the inequality of Cauchy and Schwarz, the dot product of two sketches
 * is at least that of their vectors, but for the rounding of the last number. So a pair whose sketches do not reach a
 * threshold needs no further work.
 */
export function sketcher(sample: Block, dimensions: number): (block: Block) => Matrix {
  const kept = mostVarying(sample, dimensions);
  const length = kept.length + 1;
  return ({ count, data }) => {
    const rows = { data, length: dimensions };
    const sketches = new Float32Array(count * length);
    for (let row = 0; row < count; row++) {
      let rest = dot(rows, row, rows, row);
      for (const [i, dimension] of kept.entries()) {
        const value = data[row * dimensions + dimension]!;
        sketches[row * length + i] = value;
        rest -= value * value;
      }
      sketches[row * length + kept.length] = Math.sqrt(Math.max(0, rest)); // NaN stays NaN
    }
    return { data: sketches, length };
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
