import {
  type AnyNode,
  applyOp,
  concrete,
  evaluateOp,
  input,
  isTensor,
  mapValues,
  partsOf,
  rolesOf,
  type Tensor,
  tensorOf,
  toFloat64,
  type Value,
  valuesOf,
} from "@residual/core";
import type { Arithmetic } from "./arithmetic.ts";
import type { ExactAnswer } from "./ops/op-suite.ts";
import { suiteOf } from "./ops/suites.ts";

/**
 * A value in float64, and the largest error of each element of a correct answer. A bound of 0 requires the exact
 * number.
 */
export interface Bounded {
  readonly value: Float64Array;
  readonly bound: Float64Array;
}

type Tensors = { readonly [input: string]: Tensor<"float64"> };

/** An op with its attributes: a node without its inputs. */
type Application = Pick<AnyNode, "op" | "attributes">;

/** The largest error of each element of an op's answer, for inputs that are exact in the backend's arithmetic. */
export function boundOf({ op, attributes }: Application, inputs: Tensors, answer: ExactAnswer): Float64Array {
  const suite = suiteOf(op);
  if (suite.bound) return suite.bound(inputs, attributes, answer);
  return derivedBound({ op, attributes }, inputs, answer.arithmetic);
}

/** A value, and the largest error of each of its elements so far. No error: all elements are exact. */
interface Known {
  readonly tensor: Tensor<"float64">;
  readonly error?: Float64Array | undefined;
}

/** The bound of a composite op, from the bounds of its parts (docs/tolerances.md, Composite ops). */
export function derivedBound({ op, attributes }: Application, inputs: Tensors, arithmetic: Arithmetic): Float64Array {
  const leaves = mapValues(inputs, ({ shape }, name) => input(name, shape));
  const known = new Map<Value, Known>(Object.entries(leaves).map(([name, leaf]) => [leaf, { tensor: inputs[name]! }]));
  return errorOf(throughParts(applyOp(op, leaves, attributes), known, arithmetic));
}

/**
 * A value in float64, and the largest error of each element of a backend's value.
 *
 * A node's error is its own bound plus the carried errors of its inputs. The bound is taken at inputs enlarged by their
 * errors. A single node gets exactly its own bound. Constants are exact.
 */
export function composedBound(
  y: Value,
  inputs: { readonly [name: string]: Tensor<"float32"> },
  arithmetic: Arithmetic,
): Bounded {
  const known = new Map<Value, Known>();
  for (const value of valuesOf({ name: "", inputs: {}, outputs: { y }, aliases: {}, updates: [] })) {
    if (value.kind === "input") known.set(value, { tensor: toFloat64(inputs[value.name]!) });
    if (value.kind === "constant") known.set(value, { tensor: inMemory(value) });
    if (value.kind === "node") known.set(value, answerOf(value, known, arithmetic));
  }
  const answer = known.get(y)!;
  return { value: answer.tensor.data, bound: errorOf(answer) };
}

function inMemory({ name, source }: Extract<Value, { kind: "constant" }>): Tensor<"float64"> {
  if (!isTensor(source)) throw new TypeError(`${name} is read lazily; a bound needs numbers in memory`);
  return toFloat64(source);
}

const errorOf = ({ tensor, error }: Known): Float64Array => error ?? new Float64Array(tensor.data.length);

function answerOf(node: AnyNode, known: Map<Value, Known>, arithmetic: Arithmetic): Known {
  const given = mapValues(node.inputs, (value) => known.get(value)!);
  const inputs = mapValues(given, ({ tensor }) => tensor);
  const shape = concrete(node.shape, 1); // trials have no open sizes
  if (Object.values(given).every(({ error }) => error === undefined)) {
    const value = evaluateOp(node, inputs, shape);
    const error = nonZero(boundOf(node, inputs, { value, shape, arithmetic }));
    return { tensor: tensorOf("float64", shape, value), error };
  }
  const suite = suiteOf(node.op);
  if (!suite.carry) return throughParts(node, known, arithmetic);
  const value = evaluateOp(node, inputs, shape);
  const carried = suite.carry(inputs, errorsAmong(given), node.attributes, shape);
  const size = value.map((each, i) => Math.abs(each) + carried[i]!);
  const roles = rolesOf(node);
  const largest = mapValues(given, (each, name) => (roles[name] === "variance" ? shrunk(each) : enlarged(each)));
  const own = boundOf(node, largest, { value: size, shape, arithmetic });
  return { tensor: tensorOf("float64", shape, value), error: own.map((each, i) => each + carried[i]!) };
}

/** A composite's value by way of its parts. Backends round the constants among these parts to float32. */
function throughParts(node: AnyNode, known: Map<Value, Known>, arithmetic: Arithmetic): Known {
  const parts = partsOf(node);
  if (parts.length === 0) throw new RangeError(`${node.op}: no rule says how it carries an error on`);
  for (const part of parts) {
    if (part.kind === "node") known.set(part, answerOf(part, known, arithmetic));
    if (part.kind === "constant") known.set(part, rounded(inMemory(part)));
  }
  return known.get(parts.at(-1)!)!;
}

function rounded(tensor: Tensor<"float64">): Known {
  return { tensor, error: nonZero(tensor.data.map((each) => Math.abs(each - Math.fround(each)))) };
}

/** Undefined if all elements are exact: exact inputs carry no error. */
function nonZero(bound: Float64Array): Float64Array | undefined {
  return bound.some((each) => each > 0) ? bound : undefined;
}

function errorsAmong(given: { readonly [input: string]: Known }): Tensors {
  const off = Object.entries(given).flatMap(([name, { tensor, error }]): [string, Tensor<"float64">][] =>
    error ? [[name, tensorOf("float64", tensor.shape, error)]] : [],
  );
  return Object.fromEntries(off);
}

function enlarged({ tensor, error }: Known): Tensor<"float64"> {
  if (!error) return tensor;
  return tensorOf(
    "float64",
    tensor.shape,
    tensor.data.map((each, i) => Math.abs(each) + error[i]!),
  );
}

/** A variance divides, so its least value gives the largest bound. */
function shrunk({ tensor, error }: Known): Tensor<"float64"> {
  if (!error) return tensor;
  return tensorOf(
    "float64",
    tensor.shape,
    tensor.data.map((each, i) => Math.max(each - error[i]!, 0)),
  );
}
