import type { AnyNode, AttributesOf, InputsOf, Node, OpName, Tensor } from "@residual/core";
import { ops } from "@residual/core";
import { type Arithmetic, gamma, growth } from "./arithmetic.ts";
import { isWinograd, winogradMagnitudes, winogradRoundings } from "./winograd.ts";

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
 * The error that float32 may make on exact float32 inputs, per element, for every op: in any order of summation, with fused
 * multiply-adds or without. docs/tolerances.md derives each row. A new op does not compile without its own.
 */
const bounds: Bounds = {
  /** |fl(Σ w·x + b) − …| ≤ γₙ·(Σ|w·x| + |b|) with n products and sums (Higham 2002, equation 3.5). */
  conv2d: (inputs, attributes, answer) => convolved(inputs, attributes, answer),
  /** The same with one more term. ReLU lets no error grow: |max(a, 0) − max(b, 0)| ≤ |a − b|. */
  fusedConv2d: (inputs, attributes, answer) => convolved(inputs, attributes, answer),
  linear: (inputs, attributes, { shape, arithmetic }) => {
    const { x, weight, bias } = inputs;
    const size = ops.linear.evaluate(magnitudes(inputs), attributes, shape);
    const terms = weight.shape[1]! + (bias ? 1 : 0);
    const bound = summed(size, terms, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
    if (!arithmetic.int8) return bound;
    const ones = { ...weight, data: weight.data.map(() => 1) };
    const ofX = ops.linear.evaluate({ x: absolute(x), weight: ones }, attributes, shape);
    const cost = eightBits(x, weight);
    return bound.map((each, i) => each + cost(i % shape[1]!, ofX[i]!));
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
    return summed(size, 9, arithmetic, { stored: 4, factors: [x, scale, mean] }).map((bound, i) => {
      const c = Math.floor(i / pixels) % shape[1]!;
      const gain = scale.data[c]! / Math.sqrt(variance.data[c]! + attributes.epsilon);
      const factors = Math.abs(gain) + Math.abs(mean.data[c]!) + Math.abs(x.data[i]!); // of an x − mean or a g that is flushed
      return bound + 2 * arithmetic.smallest * factors;
    });
  },
  /** n − 1 sums, and a division good to 2.5 ulp, or a product with 1/n rounded. */
  averagePool2d: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.averagePool2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, attributes.window[0] * attributes.window[1] - 1 + DIVISION, arithmetic, { stored: 2 });
  },
  globalAveragePool: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.globalAveragePool.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, inputs.x.data.length / size.length - 1 + DIVISION, arithmetic, { stored: 2 });
  },
  add: ({ a, b }, _, answer) => {
    const inputs = answer.arithmetic.stored; // each may have been rounded before they cancel
    return rounded(answer, 1).map((bound, i) => bound + 2 * inputs * (Math.abs(a.data[i]!) + Math.abs(b.data[i]!)));
  },
  multiply: (_inputs, _attributes, answer) => rounded(answer, 3),
  /** 1 / (1 + e^−x): a sum, a division, and 1 − y of the exponential's error; or a library's own formula, good to 4u. */
  sigmoid: ({ x }, _, { value, arithmetic }) =>
    value.map((y, i) => {
      const roundings = (1 - y) * exponentialRoundings(x.data[i]!) + 1 + DIVISION;
      const stored = 1 + (1 - y) * finite(x.data[i]!); // x itself, and y
      return Math.max(y * growth(roundings, stored, arithmetic), 4 * arithmetic.unit) + storedFlush(arithmetic);
    }),
  /** Each exponential's own roundings, the sum's, and a reciprocal of it and a product. */
  softmax: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value, ({ start, classes, largest, ofSum, ofInputs }) => {
      for (let i = start; i < start + classes; i++) {
        const roundings = shiftedRoundings(x.data[i]! - largest) + ofSum + DIVISION + 1;
        const stored = 1 + finite(x.data[i]!) + ofInputs;
        bound[i] = value[i]! * growth(roundings, stored, arithmetic) + 2 * arithmetic.smallest;
      }
    });
    return bound;
  },
  /** x − largest − log Σ, or x − (largest + log Σ): the sum's relative error is the logarithm's absolute one. */
  logSoftmax: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value.map(Math.exp), ({ start, classes, largest, sum, ofSum, ofInputs }) => {
      const ofLog = gamma(ofSum + 1 + 8, arithmetic) + gamma(6, arithmetic) * Math.log(sum);
      for (let i = start; i < start + classes; i++) {
        const stored = arithmetic.stored * (finite(x.data[i]!) + ofInputs + Math.abs(value[i]!));
        bound[i] = ofLog + gamma(2, arithmetic) * (Math.abs(value[i]!) + Math.abs(largest)) + stored;
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

/** A convolution by any of the ways that its arithmetic may take. */
function convolved(
  inputs: Operands<"fusedConv2d">,
  attributes: AttributesOf<"conv2d">,
  { shape, arithmetic }: Answer,
): Float64Array {
  const { x, weight, bias, residual } = inputs;
  const size = ops.fusedConv2d.evaluate(magnitudes(inputs), { ...attributes, relu: false }, shape);
  const others = (bias ? 1 : 0) + (residual ? 1 : 0);
  const plain = weight.data.length / weight.shape[0]! + others;
  const bound = summed(size, plain, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
  if (isWinograd(attributes, weight)) {
    for (const name of arithmetic.winograd) {
      const transformed = winogradMagnitudes(name, { x, weight }, attributes, shape);
      const roundings = weight.shape[1]! + winogradRoundings(name) + others;
      const whole = transformed.map((each, i) => each + size[i]!); // bias and residual are in size
      const other = summed(whole, roundings, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
      for (let i = 0; i < bound.length; i++) bound[i] = Math.max(bound[i]!, other[i]!);
    }
  }
  if (!arithmetic.int8) return bound;
  const [, outputs, oh, ow] = shape as [number, number, number, number];
  const ones = { ...weight, data: weight.data.map(() => 1) };
  const ofX = ops.conv2d.evaluate({ x: absolute(x), weight: ones }, attributes, shape);
  const cost = eightBits(x, weight);
  return bound.map((each, i) => each + cost(Math.floor(i / (oh * ow)) % outputs, ofX[i]!));
}

/**
 * What 8 bits cost a sum of products: x off by a step of its range (half a step, and half for the zero point), the weights of an
 * output by half of theirs. `ofX` is the sum of |x| that the output sees. The answer is not quantized.
 */
function eightBits(x: Tensor<"float64">, weight: Tensor<"float64">): (output: number, ofX: number) => number {
  const [low, high] = x.data.reduce<readonly [number, number]>(
    ([least, most], each) => [Math.min(least, each), Math.max(most, each)],
    [0, 0],
  );
  const stepX = (high - low) / 255;
  const length = weight.data.length / weight.shape[0]!;
  const outputs = Array.from({ length: weight.shape[0]! }, (_, output) => {
    const row = weight.data.subarray(output * length, (output + 1) * length);
    const stepW = row.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127;
    return { ofW: row.reduce((sum, w) => sum + Math.abs(w), 0), stepW };
  });
  return (output, ofX) => {
    const { ofW, stepW } = outputs[output]!;
    return ofW * stepX + (ofX * stepW) / 2 + (length * stepX * stepW) / 2;
  };
}

/** What else a sum's bound depends on, where numbers are stored in less than they are summed in. */
interface Stored {
  /** Roundings of each term by storage: those of its factors, and of the result. */
  readonly stored: number;
  /** Whose numbers may be flushed to 0 when they are stored, which costs as much as they are multiplied by. */
  readonly factors?: readonly Tensor<"float64">[];
}

/**
 * γₙ times the sum of the terms' magnitudes; and what n terms lose where each may be flushed to 0. A sum with an infinity or
 * a NaN in it has but one answer.
 */
function summed(
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

function rounded({ value, arithmetic }: Answer, stored: number): Float64Array {
  const factor = growth(1, stored, arithmetic);
  return value.map((each) => factor * Math.abs(each) + arithmetic.smallest);
}

/** What a number that is stored may lose by being flushed to 0. */
const storedFlush = ({ stored, smallest }: Arithmetic): number => (stored === 0 ? 0 : 2 * smallest);

/** What only chooses or moves numbers makes no error; but between subnormal ones a GPU may choose either, or 0. */
function exact({ value, arithmetic }: Answer): Float64Array {
  const { smallest, stored } = arithmetic;
  if (stored > 0) return value.map((each) => (Number.isFinite(each) ? stored * Math.abs(each) + 2 * smallest : 0));
  return value.map((each) => (each !== 0 && Math.abs(each) < smallest ? 2 * smallest : 0));
}

/** A logit's magnitude, as far as what it is rounded to moves its exponential: float16 has nothing beyond. */
const finite = (x: number): number => Math.min(Math.abs(x), 65504);

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
  /** Σ p·|x|: what the sum depends on the logits' own roundings. */
  readonly ofInputs: number;
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
    const ofInputs = row.reduce((total, each, i) => total + likely[start + i]! * finite(each), 0);
    visit({ start, classes, largest, sum, ofSum: ofTerms + classes - 1, ofInputs });
  }
}
