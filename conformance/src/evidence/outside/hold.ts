import {
  type Answer,
  type Backend,
  constant,
  type Graph,
  graph,
  type Input,
  input,
  type Tensor,
  tensorOf,
  type Value,
} from "@residual/core";
import { type Arithmetic, float32 } from "../../suite/arithmetic.ts";
import { type Bounded, composedBound } from "../../suite/bounds.ts";
import { compare } from "../../suite/trial.ts";
import { roundingError } from "./formats.ts";
import { type Operand, viewed } from "./operand.ts";
import { isRefusal } from "./refusal.ts";
import type { Recorded } from "./request.ts";
import { translate } from "./translate/index.ts";
import type { Leaf } from "./translate/translation.ts";

const float64: Arithmetic = {
  ...float32,
  name: "float64",
  unit: 2 ** -53,
  smallest: 2 ** -1022,
  largest: Number.MAX_VALUE,
};

type Tensors = { readonly [name: string]: Tensor<"float32"> };

/** A call in our ops: its inputs, and the recorded answer in the layout of `y`. */
interface Made {
  readonly y: Value;
  readonly declared: { readonly [name: string]: Input };
  readonly inputs: Tensors;
  readonly expected: Float64Array;
}

/** The result of a call: the largest error divided by its bound, at most 1 if the answer is right. */
export interface Result {
  readonly share: number;
  readonly message: string;
}

/**
 * Checks the reference on the vectors' exact numbers. All numbers are constants, since constants may be float64.
 *
 * The allowed error is the error of float64 plus the possible error of the recorded answer.
 */
export async function holdReference(backend: Backend, calls: readonly Recorded[]): Promise<readonly Result[]> {
  const made = calls.map(exactly);
  const answers = await run(backend, made);
  return made.map((one, i) => {
    const truth = composedBound(one.y, {}, float64);
    return judged(answers[i]!, one, sum(truth.bound, recordedError(calls[i]!, one, truth)));
  });
}

/**
 * Checks a float32 backend on numbers rounded to float32.
 *
 * The allowed error is a sum of three: the backend's bound, the possible error of the recorded answer, and the change
 * of the answer by rounding the inputs. This change is 0 for inputs that are float32 already; only webnn-baseline's
 * decimals are not.
 */
export async function holdFloat32(backend: Backend, calls: readonly Recorded[]): Promise<readonly Result[]> {
  const made = calls.map(rounded);
  const answers = await run(backend, made);
  return made.map((one, i) => {
    const exact = exactly(calls[i]!, i);
    const truth = composedBound(exact.y, {}, float64);
    const { value, bound } = composedBound(one.y, one.inputs, float32);
    const moved = value.map((each, at) => Math.abs(each - truth.value[at]!));
    return judged(answers[i]!, one, sum(sum(bound, moved), recordedError(calls[i]!, exact, truth)));
  });
}

/**
 * The possible error of the recorded answer: the bound of its computation, plus the error of rounding to the recorded
 * format. If both sides are float32, they may thus differ by twice the float32 bound.
 */
function recordedError({ making }: Recorded, { y, expected }: Made, truth: Bounded): Float64Array {
  const { computed, recorded } = making;
  const bound = computed === "float64" ? truth.bound : composedBound(y, {}, float32).bound;
  if (computed === recorded) return bound;
  const exact = (at: number) => (bound[at] === 0 ? truth.value[at] : undefined);
  return expected.map((each, at) => bound[at]! + roundingError(recorded, each, exact(at)));
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((each, i) => each + b[i]!);
}

/** Runs all calls in one graph of unconnected parts, so that a backend compiles only once. */
async function run(backend: Backend, made: readonly Made[]): Promise<readonly Answer[]> {
  const merged: Graph = graph({
    name: "vectors",
    inputs: Object.assign({}, ...made.map(({ declared }) => declared)) as Made["declared"],
    outputs: Object.fromEntries(made.map(({ y }, i) => [`y${i}`, y])),
  });
  await using executable = await backend.compile(merged);
  const answers = await executable.run(Object.assign({}, ...made.map(({ inputs }) => inputs)) as Tensors);
  return made.map((_, i) => answers[`y${i}`]!);
}

function judged({ data }: Answer, { expected }: Made, allowed: Float64Array): Result {
  const { share, at } = compare(data, expected, allowed);
  return { share, message: `element ${at} is ${data[at]}, expected ${expected[at]} ± ${allowed[at]}` };
}

function exactly(call: Recorded, index: number): Made {
  let count = 0;
  const leaf: Leaf = ({ shape, data }) => constant(`c${index}.${count++}`, tensorOf("float64", shape, data));
  return { ...made(call, leaf), declared: {}, inputs: {} };
}

/** Inputs stay inputs, and constants stay constants. */
function rounded(call: Recorded, index: number): Made {
  const declared: { [name: string]: Input } = {};
  const inputs: { [name: string]: Tensor<"float32"> } = {};
  let count = 0;
  const leaf: Leaf = ({ shape, data, constant: fixed }) => {
    const tensor = tensorOf("float32", shape, Float32Array.from(data));
    const name = `x${index}.${count++}`;
    if (fixed) return constant(name, tensor);
    inputs[name] = tensor;
    declared[name] = input(name, shape);
    return declared[name];
  };
  return { ...made(call, leaf), declared, inputs };
}

function made({ request, expected }: Recorded, leaf: Leaf): Pick<Made, "y" | "expected"> {
  const translation = translate(request, leaf);
  if (isRefusal(translation)) throw new RangeError(translation.because);
  const { y, layout = (each: Operand) => each } = translation;
  return { y, expected: viewed(layout(expected), y.shape as readonly number[]).data };
}
