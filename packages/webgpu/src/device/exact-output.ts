import type { WinogradPoints } from "@residual/core";
import type { Layer } from "../decide/layer.ts";

/** How a kernel rounds. docs/tolerances.md derives the bound of each arithmetic. */
export interface Arithmetic {
  /** The dtype of weights and of values between nodes. Sums are always float32. */
  readonly memory: "float32" | "float16";
  /** Whether a convolution's products, and sums of four products, are float16. */
  readonly hasFloat16Products: boolean;
  /** Winograd's algorithm, if the kernels use one. */
  readonly winograd?: WinogradPoints | undefined;
}

/** The inputs of one output of a convolution: x of one image, and the weights of the output's channel. */
export interface OutputInputs {
  /** The number of x in a channel, at the pixel `row * width + column`. */
  readonly x: (channel: number, pixel: number) => number;
  /** [C / groups, KH, KW] */
  readonly weight: ArrayLike<number>;
  /** 0 if the layer has none. */
  readonly bias: number;
  readonly residual: number;
}

/** One output in float64, and its bound. */
export interface ExactOutput {
  readonly value: number;
  /**
   * The largest allowed error. Infinity if the arithmetic has no bound: the result or a partial sum may exceed the
   * range.
   */
  readonly bound: number;
}

/** The position of an output in its image. */
export interface Place {
  readonly channel: number;
  readonly row: number;
  readonly column: number;
}

/**
 * The unit roundoff. WGSL leaves the direction of rounding open, so a correct + or · is off by up to one ulp. This is
 * twice IEEE 754's 2⁻²⁴.
 */
const UNIT = 2 ** -23;

const ranges = {
  float32: { stored: 0, smallest: 2 ** -126, largest: 3.4028234663852886e38 },
  float16: { stored: 2 ** -11, smallest: 2 ** -14, largest: 65_504 },
} as const;

/**
 * The number of times that a term is rounded to float16. In storage: x, the weight and the result. With float16
 * products also the product and sums of four: four roundings, each counted twice, since WGSL leaves their direction
 * open.
 */
const STORED = 3;
const STORED_PRODUCTS = 8;

/** Computes an output of a layer in float64, and its bound. */
export function exactOutput(layer: Layer, arithmetic: Arithmetic, inputs: OutputInputs, place: Place): ExactOutput {
  const { bias, residual } = inputs;
  const terms = windowTerms(layer, inputs, place);
  let value = bias + residual;
  let size = Math.abs(bias) + Math.abs(residual);
  let largestX = 0;
  let largestWeight = 0;
  for (const { x, weight } of terms) {
    value += x * weight;
    size += Math.abs(x * weight);
    largestX = Math.max(largestX, Math.abs(x));
    largestWeight = Math.max(largestWeight, Math.abs(weight));
  }
  const [, perGroup, kh, kw] = layer.weight;
  const { winograd } = arithmetic;
  const products = winograd ? perGroup + winogradRoundings(winograd) : perGroup * kh * kw;
  const roundings = products + Number(layer.hasBias) + Number(layer.hasResidual);
  if (winograd) size += winogradMagnitude(winograd, layer, inputs, place);
  const bound = boundOf(arithmetic, size, roundings, largestX + largestWeight);
  return { value: layer.attributes.relu ? Math.max(value, 0) : value, bound };
}

/**
 * The bound of an output's error: γₙ·size, plus the loss if each of n terms is flushed to 0. `size` is the sum of the
 * terms' absolute values.
 */
function boundOf({ memory, hasFloat16Products }: Arithmetic, size: number, n: number, largest: number): number {
  const range = ranges[memory];
  const gamma = (n * UNIT) / (1 - n * UNIT);
  const stored = STORED + (hasFloat16Products ? STORED_PRODUCTS : 0);
  const growth = (1 + gamma) * (1 + range.stored) ** stored - 1;
  const flushed = 2 * n * range.smallest * (memory === "float16" ? 1 + largest : 1);
  const bound = growth * size + flushed;
  return n * UNIT < 1 && size + bound < range.largest ? bound : Number.POSITIVE_INFINITY; // also if size is NaN
}

interface Term {
  readonly x: number;
  readonly weight: number;
}

/** The products that an output sums. Products with padding are left out. */
function windowTerms(layer: Layer, { x, weight }: OutputInputs, { channel, row, column }: Place): readonly Term[] {
  const [, perGroup, kh, kw] = layer.weight;
  const [, , h, w] = layer.x;
  const { stride, padding, dilation } = layer.attributes;
  const first = firstChannel(layer, channel);
  const terms: Term[] = [];
  for (let a = 0; a < kh; a++) {
    const i = row * stride[0] - padding[0] + a * dilation[0];
    if (i < 0 || i >= h) continue;
    for (let b = 0; b < kw; b++) {
      const j = column * stride[1] - padding[1] + b * dilation[1];
      if (j < 0 || j >= w) continue;
      for (let c = 0; c < perGroup; c++) {
        terms.push({ x: x(first + c, i * w + j), weight: weight[(c * kh + a) * kw + b]! });
      }
    }
  }
  return terms;
}

function firstChannel({ weight: [outputs, perGroup], attributes: { groups } }: Layer, channel: number): number {
  return Math.floor(channel / (outputs / groups)) * perGroup;
}

type Matrix = readonly (readonly number[])[];

/**
 * The number of roundings in the three transforms, each along two axes. A row with k terms has k − 1 sums. If some
 * factor is not a power of two, the row's products are rounded too. If some factor is not whole, the factors are
 * rounded as well.
 */
export function winogradRoundings({ input, kernel, output }: WinogradPoints): number {
  const ofRow = (row: readonly number[]) => {
    const factors = row.filter((each) => each !== 0);
    const isExact = factors.every((each) => Number.isInteger(Math.log2(Math.abs(each))));
    const products = isExact ? 0 : factors.every(Number.isInteger) ? 1 : 2;
    return factors.length - 1 + products;
  };
  const ofMatrix = (matrix: Matrix) => 2 * Math.max(...matrix.map(ofRow));
  return ofMatrix(input) + ofMatrix(kernel) + ofMatrix(output);
}

/**
 * |Aᵀ|·[Σ (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|)]·|A| for one output, where d is the output's whole tile of x. The first tile
 * starts at the first output of an image.
 */
function winogradMagnitude(
  { input, kernel, output }: WinogradPoints,
  layer: Layer,
  { x, weight }: OutputInputs,
  { channel, row, column }: Place,
): number {
  const [, perGroup] = layer.weight;
  const [, , h, w] = layer.x;
  const [top, left] = layer.attributes.padding;
  const [side, outputs] = [input.length, output.length];
  const [i, j] = [row - (row % outputs) - top, column - (column % outputs) - left];
  const first = firstChannel(layer, channel);
  const sums = new Float64Array(side * side);
  for (let c = 0; c < perGroup; c++) {
    const pixels = sandwich(input, side, (r, s) => {
      const isInside = i + r >= 0 && i + r < h && j + s >= 0 && j + s < w;
      return isInside ? x(first + c, (i + r) * w + j + s) : 0;
    });
    const weights = sandwich(kernel, 3, (r, s) => weight[c * 9 + r * 3 + s]!);
    for (let k = 0; k < sums.length; k++) sums[k]! += weights[k]! * pixels[k]!;
  }
  const outer = [output[row % outputs]!, output[column % outputs]!] as const;
  return sums.reduce((total, sum, k) => {
    const factor = outer[0][Math.floor(k / side)]! * outer[1][k % side]!;
    return total + Math.abs(factor) * sum;
  }, 0);
}

/** |M|·|d|·|M|ᵀ, with d of `size` × `size`. */
function sandwich(matrix: Matrix, size: number, at: (row: number, column: number) => number): Float64Array {
  const rows = matrix.length;
  const half = new Float64Array(rows * size);
  const whole = new Float64Array(rows * rows);
  for (let k = 0; k < size; k++) {
    for (let c = 0; c < size; c++) {
      const d = Math.abs(at(k, c));
      for (let r = 0; r < rows; r++) half[r * size + c]! += Math.abs(matrix[r]![k]!) * d;
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < rows; c++) {
      for (let k = 0; k < size; k++) whole[r * rows + c]! += half[r * size + k]! * Math.abs(matrix[c]![k]!);
    }
  }
  return whole;
}
