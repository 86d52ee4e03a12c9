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

/** What a node answers, for a rule that says how far off that may be. */
interface Answer {
  readonly value: Float64Array;
  readonly shape: readonly number[];
  readonly arithmetic: Arithmetic;
}

type Bounds = {
  readonly [Name in OpName]: (inputs: Operands<Name>, attributes: AttributesOf<Name>, answer: Answer) => Float64Array;
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
  conv2d: (inputs, attributes, { shape, arithmetic }) => {
    const { weight, bias } = inputs;
    const size = ops.conv2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, weight.data.length / weight.shape[0]! + (bias ? 1 : 0), arithmetic);
  },
  /** The same with one more term. ReLU lets no error grow: |max(a, 0) − max(b, 0)| ≤ |a − b|. */
  fusedConv2d: (inputs, attributes, { shape, arithmetic }) => {
    const { weight, bias, residual } = inputs;
    const size = ops.fusedConv2d.evaluate(magnitudes(inputs), { ...attributes, relu: false }, shape);
    const terms = weight.data.length / weight.shape[0]! + (bias ? 1 : 0) + (residual ? 1 : 0);
    return summed(size, terms, arithmetic);
  },
  linear: (inputs, attributes, { shape, arithmetic }) => {
    const { weight, bias } = inputs;
    const size = ops.linear.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, weight.shape[1]! + (bias ? 1 : 0), arithmetic);
  },
  /**
   * (x − mean)·g + shift, or x·g + (shift − mean·g), with g = scale / √(variance + ε). Six roundings of g where it is made
   * by a reciprocal root good to 2 ulp, three by division; then a product and two sums, of |x·g|, |mean·g| and |shift|.
   */
  batchNorm: (inputs, attributes, { shape, arithmetic }) => {
    const { x, scale, mean, variance } = inputs;
    const flipped = { ...magnitudes(inputs), variance, mean: negative(mean) };
    const size = ops.batchNorm.evaluate(flipped, attributes, shape);
    const pixels = x.data.length / (shape[0]! * shape[1]!);
    return summed(size, 9, arithmetic).map((bound, i) => {
      const c = Math.floor(i / pixels) % shape[1]!;
      const gain = scale.data[c]! / Math.sqrt(variance.data[c]! + attributes.epsilon);
      const factors = Math.abs(gain) + Math.abs(mean.data[c]!) + Math.abs(x.data[i]!); // of an x − mean or a g that is flushed
      return bound + 2 * arithmetic.smallest * factors;
    });
  },
  /** n − 1 sums, and a division good to 2.5 ulp, or a product with 1/n rounded. */
  averagePool2d: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.averagePool2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, attributes.window[0] * attributes.window[1] - 1 + DIVISION, arithmetic);
  },
  globalAveragePool: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.globalAveragePool.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, inputs.x.data.length / size.length - 1 + DIVISION, arithmetic);
  },
  add: (_inputs, _attributes, answer) => rounded(answer),
  multiply: (_inputs, _attributes, answer) => rounded(answer),
  /** 1 / (1 + e^−x): a sum, a division, and 1 − y of the exponential's error; or a library's own formula, good to 4u. */
  sigmoid: ({ x }, _, { value, arithmetic }) =>
    value.map((y, i) => {
      const roundings = (1 - y) * exponentialRoundings(x.data[i]!) + 1 + DIVISION;
      return Math.max(y * gamma(roundings, arithmetic), 4 * arithmetic.unit);
    }),
  /** Each exponential's own roundings, the sum's, and a reciprocal of it and a product. */
  softmax: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value, ({ start, classes, largest, ofSum }) => {
      for (let i = start; i < start + classes; i++) {
        const roundings = shiftedRoundings(x.data[i]! - largest) + ofSum + DIVISION + 1;
        bound[i] = value[i]! * gamma(roundings, arithmetic) + 2 * arithmetic.smallest;
      }
    });
    return bound;
  },
  /** x − largest − log Σ, or x − (largest + log Σ): the sum's relative error is the logarithm's absolute one. */
  logSoftmax: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value.map(Math.exp), ({ start, classes, largest, sum, ofSum }) => {
      const ofLog = gamma(ofSum + 1 + 8, arithmetic) + gamma(6, arithmetic) * Math.log(sum);
      for (let i = start; i < start + classes; i++) {
        bound[i] = ofLog + gamma(2, arithmetic) * (Math.abs(value[i]!) + Math.abs(largest));
      }
    });
    return bound;
  },
  maxPool2d: (_inputs, _attributes, answer) => exact(answer),
  relu: (_inputs, _attributes, answer) => exact(answer),
  flatten: (_inputs, _attributes, answer) => exact(answer),
  subsample: (_inputs, _attributes, answer) => exact(answer),
  padChannels: (_inputs, _attributes, answer) => exact(answer),
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

type Inputs = { readonly [input: string]: Tensor<"float64"> };

/** A node's answer, given its inputs as float64 numbers that are exact in the backend's arithmetic. */
export function answerOf({ op, attributes }: AnyNode & Node, inputs: Inputs, shape: readonly number[]): Float64Array {
  const definition = ops[op] as unknown as {
    evaluate(inputs: Inputs, attributes: object, shape: readonly number[]): Float64Array;
  };
  return definition.evaluate(inputs, attributes, shape);
}

/** How far off that answer each element may be, given the same inputs. */
export function boundOf({ op, attributes }: AnyNode & Node, inputs: Inputs, answer: Answer): Float64Array {
  const rule = bounds[op] as unknown as (inputs: Inputs, attributes: object, answer: Answer) => Float64Array;
  return rule(inputs, attributes, answer);
}

/**
 * γₙ times the sum of the terms' magnitudes; and what n terms lose where each may be flushed to 0. A sum with an infinity or
 * a NaN in it has but one answer.
 */
function summed(size: Float64Array, roundings: number, arithmetic: Arithmetic): Float64Array {
  const [factor, flushed] = [gamma(roundings, arithmetic), 2 * roundings * arithmetic.smallest];
  return size.map((sum) => (Number.isFinite(sum) ? factor * sum + flushed : 0));
}

function rounded({ value, arithmetic }: Answer): Float64Array {
  const factor = gamma(1, arithmetic);
  return value.map((each) => factor * Math.abs(each) + arithmetic.smallest);
}

/** What only chooses or moves numbers makes no error; but between subnormal ones a GPU may choose either, or 0. */
function exact({ value, arithmetic: { smallest } }: Answer): Float64Array {
  return value.map((each) => (each !== 0 && Math.abs(each) < smallest ? 2 * smallest : 0));
}

function absolute(tensor: Tensor<"float64">): Tensor<"float64"> {
  const data = tensor.data.slice();
  for (let i = 0; i < data.length; i++) data[i] = Math.abs(data[i]!); // weights of millions: map is several times slower
  return { ...tensor, data };
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

export function arithmeticOf(_description: object): Arithmetic {
  return float32;
}
