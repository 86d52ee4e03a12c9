import type { AnyNode, AttributesOf, InputsOf, Node, OpName, Tensor } from "@residual/core";
import { ops } from "@residual/core";

/**
 * How a backend computes, as far as its rounding errors go.
 *
 * `unit` is the unit roundoff u: 2⁻²⁴ for float32. `smallest` is the smallest number that it can be counted on to keep:
 * below, a backend may answer 0 (WGSL and many GPUs flush subnormals).
 */
export interface Arithmetic {
  readonly name: string;
  readonly unit: number;
  readonly smallest: number;
}

export const float32: Arithmetic = { name: "float32", unit: 2 ** -24, smallest: 2 ** -126 };

/** A value in float64, and how far from it each element of a correct answer may be. 0 asks for the very number. */
export interface Bounded {
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

type Operands<Name extends OpName> = InputsOf<Name, Tensor<"float64">>;

type Bounds = {
  readonly [Name in OpName]: (
    inputs: Operands<Name>,
    attributes: AttributesOf<Name>,
    shape: readonly number[],
    arithmetic: Arithmetic,
  ) => Bounded;
};

/**
 * γₙ = n·u / (1 − n·u): what n roundings in a row amount to at most (Higham 2002, lemma 3.1). n may be any number: an error
 * of 2.5u is 2.5 roundings. Throws RangeError from n·u = 1 on, where no bound holds.
 */
export function gamma(n: number, { name, unit }: Arithmetic): number {
  if (n * unit >= 1) throw new RangeError(`${name}: ${n} roundings of ${unit} have no bound; sum in a wider format`);
  return (n * unit) / (1 - n * unit);
}

/**
 * The error that float32 may make on exact float32 inputs, per element, for every op: in any order of summation, with fused
 * multiply-adds or without. docs/tolerances.md derives each row. A new op does not compile without its own.
 */
const bounds: Bounds = {
  /** |fl(Σ w·x + b) − …| ≤ γₙ·(Σ|w·x| + |b|) with n products and sums (Higham 2002, equation 3.5). */
  conv2d: (inputs, attributes, shape, arithmetic) => {
    const { weight, bias } = inputs;
    const value = ops.conv2d.evaluate(inputs, attributes, shape);
    const size = ops.conv2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, weight.data.length / weight.shape[0]! + (bias ? 1 : 0), arithmetic);
  },
  /** The same with one more term. ReLU lets no error grow: |max(a, 0) − max(b, 0)| ≤ |a − b|. */
  fusedConv2d: (inputs, attributes, shape, arithmetic) => {
    const { weight, bias, residual } = inputs;
    const value = ops.fusedConv2d.evaluate(inputs, attributes, shape);
    const size = ops.fusedConv2d.evaluate(magnitudes(inputs), { ...attributes, relu: false }, shape);
    const terms = weight.data.length / weight.shape[0]! + (bias ? 1 : 0) + (residual ? 1 : 0);
    return summed(value, size, terms, arithmetic);
  },
  linear: (inputs, attributes, shape, arithmetic) => {
    const { weight, bias } = inputs;
    const value = ops.linear.evaluate(inputs, attributes, shape);
    const size = ops.linear.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, weight.shape[1]! + (bias ? 1 : 0), arithmetic);
  },
  /**
   * (x − mean)·g + shift, or x·g + (shift − mean·g), with g = scale / √(variance + ε). Six roundings of g where it is made
   * by a reciprocal root good to 2 ulp, four by division; then a product and two sums, of terms |x·g|, |mean·g| and |shift|.
   */
  batchNorm: (inputs, attributes, shape, arithmetic) => {
    const { x, scale, mean, variance } = inputs;
    const value = ops.batchNorm.evaluate(inputs, attributes, shape);
    const flipped = { ...magnitudes(inputs), variance, mean: negative(mean) };
    const size = ops.batchNorm.evaluate(flipped, attributes, shape);
    const { bound } = summed(value, size, 9, arithmetic);
    const pixels = x.data.length / (shape[0]! * shape[1]!);
    const flushed = bound.map((each, i) => {
      const c = Math.floor(i / pixels) % shape[1]!;
      const gain = scale.data[c]! / Math.sqrt(variance.data[c]! + attributes.epsilon);
      const factors = Math.abs(gain) + Math.abs(mean.data[c]!) + Math.abs(x.data[i]!); // of a flushed x − mean, or g
      return each + 2 * arithmetic.smallest * factors;
    });
    return { value, bound: flushed };
  },
  /** n − 1 sums, and a division good to 2.5 ulp, or a product with 1/n rounded. */
  averagePool2d: (inputs, attributes, shape, arithmetic) => {
    const value = ops.averagePool2d.evaluate(inputs, attributes, shape);
    const size = ops.averagePool2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, attributes.window[0] * attributes.window[1] - 1 + DIVISION, arithmetic);
  },
  globalAveragePool: (inputs, attributes, shape, arithmetic) => {
    const value = ops.globalAveragePool.evaluate(inputs, attributes, shape);
    const size = ops.globalAveragePool.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, inputs.x.data.length / value.length - 1 + DIVISION, arithmetic);
  },
  add: (inputs, attributes, shape, arithmetic) => rounded(ops.add.evaluate(inputs, attributes, shape), arithmetic),
  multiply: (inputs, attributes, shape, arithmetic) =>
    rounded(ops.multiply.evaluate(inputs, attributes, shape), arithmetic),
  /** 1 / (1 + e^−x): a sum, a division, and 1 − y of the exponential's error; or a library's own formula, good to 4u. */
  sigmoid: (inputs, attributes, shape, arithmetic) => {
    const value = ops.sigmoid.evaluate(inputs, attributes, shape);
    const bound = value.map((y, i) => {
      const roundings = (1 - y) * exponentialRoundings(inputs.x.data[i]!) + 1 + DIVISION;
      return Math.max(y * gamma(roundings, arithmetic), 4 * arithmetic.unit);
    });
    return { value, bound };
  },
  /** Each exponential's own roundings, the sum's, and a reciprocal of it and a product. */
  softmax: (inputs, attributes, shape, arithmetic) => {
    const value = ops.softmax.evaluate(inputs, attributes, shape);
    const bound = new Float64Array(value.length);
    eachRow(inputs.x, shape, value, ({ start, classes, largest, ofSum }) => {
      for (let i = start; i < start + classes; i++) {
        const roundings = shiftedRoundings(inputs.x.data[i]! - largest) + ofSum + DIVISION + 1;
        bound[i] = value[i]! * gamma(roundings, arithmetic) + 2 * arithmetic.smallest;
      }
    });
    return { value, bound };
  },
  /** x − largest − log Σ, or x − (largest + log Σ): the sum's relative error is the logarithm's absolute one. */
  logSoftmax: (inputs, attributes, shape, arithmetic) => {
    const value = ops.logSoftmax.evaluate(inputs, attributes, shape);
    const likely = ops.softmax.evaluate(inputs, attributes, shape);
    const bound = new Float64Array(value.length);
    eachRow(inputs.x, shape, likely, ({ start, classes, largest, ofSum, sum }) => {
      const ofLog = gamma(ofSum + 1 + 8, arithmetic) + gamma(6, arithmetic) * Math.log(sum);
      for (let i = start; i < start + classes; i++) {
        bound[i] = ofLog + gamma(2, arithmetic) * (Math.abs(value[i]!) + Math.abs(largest));
      }
    });
    return { value, bound };
  },
  /** What only chooses or moves numbers makes no error. */
  maxPool2d: (inputs, attributes, shape, arithmetic) =>
    exact(ops.maxPool2d.evaluate(inputs, attributes, shape), arithmetic),
  relu: (inputs, attributes, shape, arithmetic) => exact(ops.relu.evaluate(inputs, attributes, shape), arithmetic),
  flatten: (inputs, attributes, shape, arithmetic) =>
    exact(ops.flatten.evaluate(inputs, attributes, shape), arithmetic),
  subsample: (inputs, attributes, shape, arithmetic) =>
    exact(ops.subsample.evaluate(inputs, attributes, shape), arithmetic),
  padChannels: (inputs, attributes, shape, arithmetic) =>
    exact(ops.padChannels.evaluate(inputs, attributes, shape), arithmetic),
};

/** Roundings that a division amounts to: 2.5 ulp, as Vulkan and WGSL allow; 1 on a CPU. */
const DIVISION = 5;

/** Roundings that e^x amounts to: 3 + 2·|x| ulp, as Vulkan and WGSL allow. Beyond 128 there is but 0 or infinity left. */
function exponentialRoundings(x: number): number {
  return 6 + 4 * Math.min(Math.abs(x), 128);
}

/** Those of e^(x − largest): the difference is rounded too, and moves the result by so many times its size. */
function shiftedRoundings(difference: number): number {
  return exponentialRoundings(difference) + Math.min(Math.abs(difference), 128);
}

/** A node's value and bound, given its inputs as float64 numbers that are exact in the backend's arithmetic. */
export function boundOf(
  node: AnyNode & Node,
  inputs: { readonly [input: string]: Tensor<"float64"> },
  shape: readonly number[],
  arithmetic: Arithmetic = float32,
): Bounded {
  const rule = bounds[node.op] as unknown as (
    inputs: object,
    attributes: object,
    shape: readonly number[],
    arithmetic: Arithmetic,
  ) => Bounded;
  return rule(inputs, node.attributes, shape, arithmetic);
}

/**
 * γₙ times the sum of the terms' magnitudes; and what n terms lose where each may be flushed to 0. A sum with an infinity or
 * a NaN in it has but one answer.
 */
function summed(value: Float64Array, size: Float64Array, roundings: number, arithmetic: Arithmetic): Bounded {
  const [factor, flushed] = [gamma(roundings, arithmetic), 2 * roundings * arithmetic.smallest];
  return { value, bound: size.map((sum) => (Number.isFinite(sum) ? factor * sum + flushed : 0)) };
}

function rounded(value: Float64Array, arithmetic: Arithmetic): Bounded {
  const factor = gamma(1, arithmetic);
  return { value, bound: value.map((each) => factor * Math.abs(each) + arithmetic.smallest) };
}

/** Between two subnormal numbers a GPU may choose either, or 0. */
function exact(value: Float64Array, { smallest }: Arithmetic): Bounded {
  const flushes = (each: number) => each !== 0 && Math.abs(each) < smallest;
  return { value, bound: value.map((each) => (flushes(each) ? 2 * smallest : 0)) };
}

function absolute(tensor: Tensor<"float64">): Tensor<"float64"> {
  return { ...tensor, data: tensor.data.map(Math.abs) };
}

function negative(tensor: Tensor<"float64">): Tensor<"float64"> {
  return { ...tensor, data: tensor.data.map((value) => -Math.abs(value)) };
}

function magnitudes<Inputs extends object>(inputs: Inputs): Inputs {
  const entries = Object.entries(inputs as { [name: string]: Tensor<"float64"> });
  return Object.fromEntries(entries.map(([name, tensor]) => [name, absolute(tensor)])) as unknown as Inputs;
}

/** A row of logits: where it starts, and Σ e^(x − largest) with the roundings that it amounts to. */
interface Row {
  readonly start: number;
  readonly classes: number;
  readonly largest: number;
  readonly sum: number;
  readonly ofSum: number;
}

/** The sum's roundings are its C − 1 additions, and those of its terms, each in proportion to its part of the sum. */
function eachRow(
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
    visit({ start, classes, largest, sum, ofSum: ofTerms + classes - 1 });
  }
}
