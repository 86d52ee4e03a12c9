import {
  type AnyNode,
  type Node,
  type OpName,
  ops,
  type RealTensor,
  sizeOf,
  type Tensor,
  tensorOf,
  toFloat64,
  type Value,
  valuesOf,
} from "@residual/core";
import type { Arithmetic } from "../../arithmetic.ts";
import { answerOf, type Bounded, boundOf } from "../../bounds.ts";

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** What a value is, and how far off its elements are by then; undefined where they are what they are, as of all leaves. */
interface Known {
  readonly tensor: Tensor<"float64">;
  readonly error?: Float64Array | undefined;
}

/**
 * A value in float64, and how far off it each element of a backend's may be: bounds.ts for each node, on inputs as large as
 * their errors may make them, and those errors carried on. Of one node it is bounds.ts to the letter.
 */
export function composedBound(
  y: Value,
  inputs: { readonly [name: string]: Tensor<"float32"> },
  arithmetic: Arithmetic,
): Bounded {
  const known = new Map<Value, Known>();
  for (const value of valuesOf({ name: "", inputs: {}, outputs: { y }, aliases: {}, updates: [] })) {
    if (value.kind === "input") known.set(value, { tensor: toFloat64(inputs[value.name]!) });
    if (value.kind === "constant") known.set(value, { tensor: toFloat64(value.source as RealTensor) });
    if (value.kind === "node") known.set(value, answer(value as AnyOf, known, arithmetic));
  }
  const { tensor, error } = known.get(y)!;
  return { value: tensor.data, bound: error ?? new Float64Array(tensor.data.length) };
}

type AnyOf = AnyNode & Node;

function answer(node: AnyOf, known: ReadonlyMap<Value, Known>, arithmetic: Arithmetic): Known {
  const shape = node.shape as readonly number[];
  const given = Object.entries<Value>({ ...node.inputs }).map(([name, value]) => [name, known.get(value)!] as const);
  const inputs = Object.fromEntries(given.map(([name, { tensor }]) => [name, tensor]));
  const value = answerOf(node, inputs, shape);
  const tensor = tensorOf("float64", shape, value);
  if (given.every(([, { error }]) => error === undefined)) {
    return { tensor, error: nonZero(boundOf(node, inputs, { value, shape, arithmetic })) };
  }
  const carried = carry(node, inputs, errorsOf(given));
  const largest = Object.fromEntries(given.map(([name, each]) => [name, enlarged(each)]));
  const size = value.map((each, i) => Math.abs(each) + carried[i]!);
  const own = boundOf(node, largest, { value: size, shape, arithmetic });
  return { tensor, error: own.map((each, i) => each + carried[i]!) };
}

/** An exact answer stays one: what no error has come into needs none carried. */
function nonZero(bound: Float64Array): Float64Array | undefined {
  return bound.some((each) => each > 0) ? bound : undefined;
}

function errorsOf(given: readonly (readonly [string, Known])[]): Tensors {
  const off = given.flatMap(([name, { tensor, error }]) => (error ? [[name, withData(tensor, error)] as const] : []));
  return Object.fromEntries(off);
}

function enlarged({ tensor, error }: Known): Tensor<"float64"> {
  if (!error) return tensor;
  const data = tensor.data.map((each, i) => Math.abs(each) + error[i]!);
  return withData(tensor, data);
}

/** How far errors of the inputs move the answer. */
function carry(node: AnyOf, inputs: Tensors, errors: Tensors): Float64Array {
  const rule = rules[node.op];
  if (!rule) throw new RangeError(`${node.op}: no rule says how it carries an error on`);
  return rule(node, inputs, errors);
}

type Rule = (node: AnyOf, inputs: Tensors, errors: Tensors) => Float64Array;

/** |max(a, 0) − max(b, 0)| ≤ |a − b|, the same of the largest of several, and of a sum or mean of them; weights by their size. */
const throughX: Rule = (node, { weight }, { x, ...others }) => {
  if (!x || Object.keys(others).length > 0)
    throw new RangeError(`${node.op}: its parameters have no errors of their own`);
  return answerOf(
    node,
    weight ? { x, weight: withData(weight, weight.data.map(Math.abs)) } : { x },
    node.shape as number[],
  );
};

const rules: { readonly [Name in OpName]?: Rule } = {
  relu: throughX,
  maxPool2d: throughX,
  globalAveragePool: throughX,
  flatten: throughX,
  padChannels: throughX,
  conv2d: throughX,
  linear: throughX,
  add: (node, { a, b }, errors) =>
    answerOf(node, { a: errors.a ?? zeros(a!), b: errors.b ?? zeros(b!) }, node.shape as number[]),
  /** |x·g − x′·g′| ≤ |x|·e(g) + e(x)·(|g| + e(g)). */
  multiply(_node, inputs, errors) {
    const [x, gate] = [inputs.x!, inputs.gate!];
    const [ofX, ofGate] = [errors.x ?? zeros(x), errors.gate ?? zeros(gate)];
    const first = ops.multiply.evaluate({ x: withData(x, x.data.map(Math.abs)), gate: ofGate }, {}, x.shape);
    const second = ops.multiply.evaluate({ x: ofX, gate: enlarged({ tensor: gate, error: ofGate.data }) }, {}, x.shape);
    return first.map((each, i) => each + second[i]!);
  },
};

function withData({ shape }: Tensor<"float64">, data: Float64Array): Tensor<"float64"> {
  return tensorOf("float64", shape, data);
}

function zeros(like: Tensor<"float64">): Tensor<"float64"> {
  return withData(like, new Float64Array(sizeOf(like.shape)));
}
