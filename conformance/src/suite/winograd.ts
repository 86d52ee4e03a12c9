import type { AttributesOf, Tensor } from "@residual/core";

/** Lavin and Gray 2015, section 4: the points 0, ±1, ∞, and 0, ±1, ±2, ∞. The bounds need magnitudes only. */
const transforms = {
  "winograd-f2": {
    tile: 2,
    input: [
      [1, 0, 1, 0],
      [0, 1, 1, 0],
      [0, 1, 1, 0],
      [0, 1, 0, 1],
    ],
    kernel: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, 1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 0],
      [0, 1, 1, 1],
    ],
    roundings: 2 + 4 + 4,
  },
  "winograd-f4": {
    tile: 4,
    input: [
      [4, 0, 5, 0, 1, 0],
      [0, 4, 4, 1, 1, 0],
      [0, 4, 4, 1, 1, 0],
      [0, 2, 1, 2, 1, 0],
      [0, 2, 1, 2, 1, 0],
      [0, 4, 0, 5, 0, 1],
    ],
    kernel: [
      [1 / 4, 0, 0],
      [1 / 6, 1 / 6, 1 / 6],
      [1 / 6, 1 / 6, 1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, 1, 2, 2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, 1, 8, 8, 1],
    ],
    roundings: 6 + 8 + 8,
  },
} as const;

export type WinogradName = keyof typeof transforms;

/** Whether Winograd's algorithm can compute a convolution: 3 × 3 kernels, with steps of one pixel. */
export function isWinograd(
  { stride, dilation }: Pick<AttributesOf<"conv2d">, "stride" | "dilation">,
  { shape }: Tensor,
): boolean {
  return shape[2] === 3 && shape[3] === 3 && [...stride, ...dilation].every((step) => step === 1);
}

/** Roundings on the longest path of the three transforms, without the one rounding per channel (docs/tolerances.md). */
export function winogradRoundings(name: WinogradName): number {
  return transforms[name].roundings;
}

type Matrix = readonly (readonly number[])[];

/**
 * |Aᵀ|·[Σ (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|)]·|A|, summed over channels, for each output: the unit of the output's
 * rounding errors. Tiles begin at the first output. They cover pixels outside the output's own window; these pixels
 * count too.
 */
export function winogradMagnitudes(
  name: WinogradName,
  { x, weight }: { readonly x: Tensor<"float64">; readonly weight: Tensor<"float64"> },
  { padding, groups }: AttributesOf<"conv2d">,
  shape: readonly number[],
): Float64Array {
  const { tile, input, kernel, output } = transforms[name];
  const side = tile + 2;
  const [n, outputs, oh, ow] = shape as [number, number, number, number];
  const perGroup = weight.shape[1]!;
  const kernels = Array.from({ length: outputs * perGroup }, (_, i) =>
    sandwich(kernel, (r, c) => Math.abs(weight.data[i * 9 + r * 3 + c]!), 3),
  );
  const y = new Float64Array(n * outputs * oh * ow);
  for (let image = 0; image < n; image++) {
    for (let i = 0; i < oh; i += tile) {
      for (let j = 0; j < ow; j += tile) {
        const pixels = pixelsOf(x, image, i - padding[0], j - padding[1], input, side);
        for (let o = 0; o < outputs; o++) {
          const first = Math.floor(o / (outputs / groups)) * perGroup;
          const sum = new Float64Array(side * side);
          for (let c = 0; c < perGroup; c++) {
            const [u, v] = [kernels[o * perGroup + c]!, pixels[first + c]!];
            for (let k = 0; k < sum.length; k++) sum[k]! += u[k]! * v[k]!;
          }
          const block = sandwich(output, (r, c) => sum[r * side + c]!, side);
          for (let p = 0; p < Math.min(tile, oh - i); p++) {
            for (let q = 0; q < Math.min(tile, ow - j); q++) {
              y[((image * outputs + o) * oh + i + p) * ow + j + q] = block[p * tile + q]!;
            }
          }
        }
      }
    }
  }
  return y;
}

/** |Bᵀ|·|d|·|B| of each channel's tile. The tile's upper left pixel is at the given row and column. */
function pixelsOf(
  x: Tensor<"float64">,
  image: number,
  top: number,
  left: number,
  input: Matrix,
  side: number,
): Float64Array[] {
  const [, channels, h, w] = x.shape as [number, number, number, number];
  return Array.from({ length: channels }, (_, c) =>
    sandwich(
      input,
      (r, s) => {
        const [row, column] = [top + r, left + s];
        if (row < 0 || column < 0 || row >= h || column >= w) return 0;
        return Math.abs(x.data[((image * channels + c) * h + row) * w + column]!);
      },
      side,
    ),
  );
}

/** M·d·Mᵀ, with d of `size` × `size`. */
function sandwich(matrix: Matrix, at: (row: number, column: number) => number, size: number): Float64Array {
  const rows = matrix.length;
  const half = new Float64Array(rows * size);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < size; c++) {
      for (let k = 0; k < size; k++) if (matrix[r]![k] !== 0) half[r * size + c]! += matrix[r]![k]! * at(k, c);
    }
  }
  const whole = new Float64Array(rows * rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < rows; c++) {
      for (let k = 0; k < size; k++) whole[r * rows + c]! += half[r * size + k]! * matrix[c]![k]!;
    }
  }
  return whole;
}
