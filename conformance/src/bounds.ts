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

/** γₙ = n·u / (1 − n·u): what n roundings in a row amount to at most (Higham 2002, lemma 3.1). */
export function gamma(n: number, { unit }: Arithmetic): number {
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
   * (x − mean)·g + shift, or x·g + (shift − mean·g), with g = scale / √(variance + ε): three roundings of g, then at most three
   * of a product and two sums, each of terms no larger than |x·g| + |mean·g| + |shift|; two more for a g made by a reciprocal root.
   */
  batchNorm: (inputs, attributes, shape, arithmetic) => {
    const { scale, mean } = inputs;
    const value = ops.batchNorm.evaluate(inputs, attributes, shape);
    const flipped = { ...magnitudes(inputs), variance: inputs.variance, scale: absolute(scale), mean: negative(mean) };
    const size = ops.batchNorm.evaluate(flipped, attributes, shape);
    return summed(value, size, 8, arithmetic);
  },
  /** n − 1 sums, and a division or a product with 1/n, which is rounded itself. */
  averagePool2d: (inputs, attributes, shape, arithmetic) => {
    const value = ops.averagePool2d.evaluate(inputs, attributes, shape);
    const size = ops.averagePool2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, attributes.window[0] * attributes.window[1] + 1, arithmetic);
  },
  globalAveragePool: (inputs, attributes, shape, arithmetic) => {
    const value = ops.globalAveragePool.evaluate(inputs, attributes, shape);
    const size = ops.globalAveragePool.evaluate(magnitudes(inputs), attributes, shape);
    return summed(value, size, inputs.x.data.length / value.length + 1, arithmetic);
  },
  add: (inputs, attributes, shape, arithmetic) => rounded(ops.add.evaluate(inputs, attributes, shape), arithmetic),
  multiply: (inputs, attributes, shape, arithmetic) =>
    rounded(ops.multiply.evaluate(inputs, attributes, shape), arithmetic),
  /** 1 / (1 + e^−x): an e^−x good to (4 + |x|)·u moves y by y·(1 − y) of that; libraries' rational forms are good to 4u. */
  sigmoid: (inputs, attributes, shape, arithmetic) => {
    const value = ops.sigmoid.evaluate(inputs, attributes, shape);
    const { unit } = arithmetic;
    const bound = value.map((y, i) => {
      const exponential = (4 + Math.abs(inputs.x.data[i]!)) * unit;
      return 4 * unit + y * (1 - y) * exponential + gamma(3, arithmetic) * y;
    });
    return { value, bound };
  },
  softmax: (inputs, attributes, shape, arithmetic) => {
    const value = ops.softmax.evaluate(inputs, attributes, shape);
    const bound = new Float64Array(value.length);
    eachRow(inputs.x, shape, (start, classes, largest) => {
      const errors = exponentialErrors(inputs.x.data, start, classes, largest, arithmetic);
      let ofSum = gamma(classes, arithmetic); // C − 1 sums and the division
      for (let i = 0; i < classes; i++) ofSum += value[start + i]! * errors[i]!;
      for (let i = 0; i < classes; i++) bound[start + i] = value[start + i]! * (errors[i]! + ofSum) + arithmetic.smallest;
    });
    return { value, bound };
  },
  logSoftmax: (inputs, attributes, shape, arithmetic) => {
    const value = ops.logSoftmax.evaluate(inputs, attributes, shape);
    const likely = ops.softmax.evaluate(inputs, attributes, shape);
    const bound = new Float64Array(value.length);
    eachRow(inputs.x, shape, (start, classes, largest) => {
      const errors = exponentialErrors(inputs.x.data, start, classes, largest, arithmetic);
      let ofLog = gamma(classes, arithmetic);
      for (let i = 0; i < classes; i++) ofLog += likely[start + i]! * errors[i]!;
      for (let i = 0; i < classes; i++) {
        const distance = Math.abs(inputs.x.data[start + i]! - largest);
        const logSum = Math.abs(inputs.x.data[start + i]! - largest - value[start + i]!);
        bound[start + i] = ofLog + gamma(4, arithmetic) * (distance + logSum + Math.abs(value[start + i]!) + Math.abs(largest));
      }
    });
    return { value, bound };
  },
  /** What only chooses or moves numbers makes no error. */
  maxPool2d: (inputs, attributes, shape) => exact(ops.maxPool2d.evaluate(inputs, attributes, shape)),
  relu: (inputs, attributes, shape) => exact(ops.relu.evaluate(inputs, attributes, shape)),
  flatten: (inputs, attributes, shape) => exact(ops.flatten.evaluate(inputs, attributes, shape)),
  subsample: (inputs, attributes, shape) => exact(ops.subsample.evaluate(inputs, attributes, shape)),
  padChannels: (inputs, attributes, shape) => exact(ops.padChannels.evaluate(inputs, attributes, shape)),
};

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

/** γₙ times the sum of the terms' magnitudes; and what n terms lose where each may be flushed to 0. */
function summed(value: Float64Array, size: Float64Array, terms: number, arithmetic: Arithmetic): Bounded {
  const factor = gamma(terms, arithmetic);
  return { value, bound: size.map((sum) => factor * sum + (terms + 1) * arithmetic.smallest) };
}

function rounded(value: Float64Array, arithmetic: Arithmetic): Bounded {
  const factor = gamma(1, arithmetic);
  return { value, bound: value.map((each) => factor * Math.abs(each) + arithmetic.smallest) };
}

function exact(value: Float64Array): Bounded {
  return { value, bound: new Float64Array(value.length) };
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

/** Relative errors of e^(x − largest): 4u of the exponential itself, and of its argument, rounded, what that moves. */
function exponentialErrors(
  x: Float64Array,
  start: number,
  classes: number,
  largest: number,
  arithmetic: Arithmetic,
): Float64Array {
  const factor = gamma(1, arithmetic);
  return Float64Array.from({ length: classes }, (_, i) => (4 + 2 * Math.abs(x[start + i]! - largest)) * factor);
}

function eachRow(
  x: Tensor<"float64">,
  shape: readonly number[],
  visit: (start: number, classes: number, largest: number) => void,
): void {
  const classes = shape[1]!;
  for (let start = 0; start < x.data.length; start += classes) {
    visit(start, classes, Math.max(...x.data.subarray(start, start + classes)));
  }
}
