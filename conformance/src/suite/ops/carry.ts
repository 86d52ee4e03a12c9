import { evaluateOp, type OpName, sizeOf, type Tensor, tensorOf } from "@residual/core";
import { absolute, magnitudes } from "./rounding.ts";

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/**
 * The effect of the inputs' errors on each element of an op's answer. An input without an entry in `errors` is exact.
 */
export type Carry = (inputs: Tensors, errors: Tensors, attributes: object, shape: readonly number[]) => Float64Array;

/**
 * For ops that choose or move the numbers of x, and for ops that are linear in x without negative weights:
 * |max(a, b) − max(c, d)| ≤ max(|a − c|, |b − d|), and the same for a mean.
 */
export function throughX(op: OpName): Carry {
  return (_, errors, attributes, shape) => evaluate(op, { x: errors.x! }, attributes, shape);
}

/** For sums of products: |x·w − x′·w′| ≤ e(x)·(|w| + e(w)) + |x|·e(w). A bias adds its own error. */
export function throughProducts(op: OpName): Carry {
  return (inputs, errors, attributes, shape) => {
    const { x, weight } = magnitudes(inputs);
    const ofX = evaluate(op, { x: orZeros(errors.x, x!), weight: plus(weight!, errors.weight) }, attributes, shape);
    if (!errors.weight && !errors.bias) return ofX;
    const bias = errors.bias ? { bias: errors.bias } : {};
    const ofWeight = evaluate(op, { x: x!, weight: orZeros(errors.weight, weight!), ...bias }, attributes, shape);
    return sum(ofX, ofWeight);
  };
}

/** For ops that are linear in two inputs: |a·b − a′·b′| ≤ e(a)·(|b| + e(b)) + |a|·e(b). */
export function throughBoth(op: OpName, first: string, second: string): Carry {
  return (inputs, errors, attributes, shape) => {
    const [a, b] = [absolute(inputs[first]!), absolute(inputs[second]!)];
    const through = (x: Tensor<"float64">, y: Tensor<"float64">) =>
      evaluate(op, { [first]: x, [second]: y }, attributes, shape);
    const { [first]: ofA, [second]: ofB } = errors;
    if (!ofB) return through(ofA!, b);
    return ofA ? sum(through(ofA, plus(b, ofB)), through(a, ofB)) : through(a, ofB);
  };
}

export function evaluate(op: OpName, inputs: Tensors, attributes: object, shape: readonly number[]): Float64Array {
  return evaluateOp({ op, attributes: { ...attributes } }, inputs, shape);
}

export function orZeros(error: Tensor<"float64"> | undefined, like: Tensor<"float64">): Tensor<"float64"> {
  return error ?? tensorOf("float64", like.shape, new Float64Array(sizeOf(like.shape)));
}

export function plus(a: Tensor<"float64">, b: Tensor<"float64"> | undefined): Tensor<"float64"> {
  return b ? tensorOf("float64", a.shape, sum(a.data, b.data)) : a;
}

export function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((each, i) => each + b[i]!);
}
