import { mapValues, type Tensor } from "@residual/core";
import { type Arithmetic, growth } from "../arithmetic.ts";
import type { ExactAnswer } from "./op-suite.ts";

/** A division in roundings: 2.5 ulp, as Vulkan and WGSL allow. A CPU needs 1 rounding. */
export const DIVISION = 5;

/** A root in roundings: 1 / (1 / √x) by a reciprocal root of 2 ulp, as WGSL defines it. A CPU needs 1 rounding. */
export const ROOT = 9;

/** e^x in roundings: 3 + 2·|x| ulp, as Vulkan and WGSL allow. Beyond |x| = 128 the result is 0 or infinity. */
export function exponentialRoundings(x: number): number {
  return 6 + 4 * Math.min(Math.abs(x), 128);
}

/** e^(x − largest) in roundings. A rounding of the difference d changes the result by |d| roundings. */
export function shiftedRoundings(difference: number): number {
  return exponentialRoundings(difference) + Math.min(Math.abs(difference), 128);
}

/** Further parameters of a sum's bound, if the stored precision is lower than the precision of the sums. */
interface Stored {
  /** The number of storage roundings of each term: roundings of its factors, and of the result. */
  readonly stored: number;
  /** The numbers that storage may flush to 0. The loss is multiplied by the other factor. */
  readonly factors?: readonly Tensor<"float64">[];
}

/**
 * γₙ times the sum of the terms' magnitudes, plus the loss of n terms that may be flushed to 0. A sum with an infinity
 * or a NaN has only one right answer, so its bound is 0.
 */
export function summed(
  size: Float64Array,
  roundings: number,
  arithmetic: Arithmetic,
  { stored, factors = [] }: Stored,
): Float64Array {
  const factor = growth(roundings, stored, arithmetic);
  const flushedFactors = arithmetic.stored === 0 ? 0 : factors.reduce((sum, each) => sum + largestOf(each), 0);
  const flushed = 2 * roundings * arithmetic.smallest * (1 + flushedFactors);
  return size.map((sum) => (Number.isFinite(sum) ? factor * sum + flushed : 0));
}

function largestOf({ data }: Tensor<"float64">): number {
  return data.reduce((most, each) => (Number.isFinite(each) ? Math.max(most, Math.abs(each)) : most), 0);
}

export function rounded({ value, arithmetic }: ExactAnswer, stored: number): Float64Array {
  const factor = growth(1, stored, arithmetic);
  return value.map((each) => factor * Math.abs(each) + arithmetic.smallest);
}

/** The loss of a stored number that is flushed to 0. */
export const storedFlush = ({ stored, smallest }: Arithmetic): number => (stored === 0 ? 0 : 2 * smallest);

/**
 * Ops that only choose or move numbers make no error. A GPU may, however, choose either of two subnormal numbers, or 0.
 */
export function exact({ value, arithmetic }: ExactAnswer): Float64Array {
  const { smallest, stored } = arithmetic;
  if (stored > 0) return value.map((each) => (Number.isFinite(each) ? stored * Math.abs(each) + 2 * smallest : 0));
  return value.map((each) => (each !== 0 && Math.abs(each) < smallest ? 2 * smallest : 0));
}

/** A logit's magnitude, for the effect of its rounding on its exponential. 65,504 is the largest float16. */
export const finite = (x: number): number => Math.min(Math.abs(x), 65504);

export function absolute(tensor: Tensor<"float64">): Tensor<"float64"> {
  const data = tensor.data.slice();
  // There may be millions of weights, and `map` is several times slower.
  for (let i = 0; i < data.length; i++) data[i] = Math.abs(data[i]!);
  return { ...tensor, data };
}

export function negative(tensor: Tensor<"float64">): Tensor<"float64"> {
  return { ...tensor, data: tensor.data.map((value) => -Math.abs(value)) };
}

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** The same inputs with the magnitude of each number. */
export function magnitudes<Inputs extends Tensors>(inputs: Inputs): Inputs {
  return mapValues(inputs, absolute) as Inputs;
}

/** A row of logits: its start, and Σ e^(x − largest) with the number of its roundings. */
interface Row {
  readonly start: number;
  readonly classes: number;
  readonly largest: number;
  readonly sum: number;
  readonly ofSum: number;
  /** Σ p·|x|: the effect of the logits' own roundings on the sum. */
  readonly ofInputs: number;
}

/**
 * Visits each row. The roundings of a sum are its C − 1 additions, plus the roundings of its terms in proportion to
 * their share.
 */
export function eachRow(
  x: Tensor<"float64">,
  shape: readonly number[],
  likely: Float64Array,
  visit: (row: Row) => void,
): void {
  const classes = shape[1]!;
  for (let start = 0; start < x.data.length; start += classes) {
    const row = x.data.subarray(start, start + classes);
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = row.reduce((total, each) => total + Math.exp(each - largest), 0);
    const ofTerms = row.reduce((total, each, i) => total + likely[start + i]! * shiftedRoundings(each - largest), 0);
    const ofInputs = row.reduce((total, each, i) => total + likely[start + i]! * finite(each), 0);
    visit({ start, classes, largest, sum, ofSum: ofTerms + classes - 1, ofInputs });
  }
}
