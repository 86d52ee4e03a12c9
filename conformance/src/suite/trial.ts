import {
  type AnyNode,
  applyOp,
  type Backend,
  concrete,
  constant,
  evaluateOp,
  type Graph,
  graph,
  input,
  mapValues,
  named,
  type OpName,
  ResidualError,
  sizeOf,
  type Tensor,
  type Trait,
  tensorOf,
  toFloat64,
  type Value,
  type WorkOptions,
} from "@residual/core";
import type { Worst } from "../report/types.ts";
import { type Arithmetic, float32 } from "./arithmetic.ts";
import { type Bounded, boundOf } from "./bounds.ts";
import { cutOut } from "./sample.ts";

/** One application of an op to given numbers. float32 holds all of the numbers exactly. */
export interface Trial {
  readonly name: string;
  readonly op: OpName;
  readonly attributes: object;
  /** The inputs by the op's own names. */
  readonly inputs: { readonly [input: string]: Tensor<"float32"> };
  /**
   * The names of the inputs that a model holds as constants. Backends change the layout of constants, and may use other
   * code for them.
   */
  readonly constants: ReadonlySet<string>;
  /**
   * The names of the inputs in the graph that the trial comes from. For a fused group, these are the weights' names.
   */
  readonly names?: { readonly [input: string]: string };
  /** The answer in float64, if the maker of the trial knows it already. */
  readonly answer?: Tensor<"float64">;
  /** The bounds in plain float32, if the maker of the trial knows them already. */
  readonly bound?: Float64Array;
  /** Traits that make a backend fail this trial. */
  readonly shows?: readonly Trait[];
  /** Flat indices of the output elements to check. Default: all elements. */
  readonly samples?: readonly number[];
}

/** Trials that are made when they are taken, and their number. */
export interface Trials {
  readonly count: number;
  readonly trials: Iterable<Trial>;
}

/** The outcome of a trial. */
export interface Outcome {
  readonly trial: Trial;
  readonly shape: readonly number[];
  /**
   * The largest error over its bound; a share of at most 1 conforms. Infinite if a number or the whole answer is
   * missing.
   */
  readonly share: number;
  readonly worst?: Worst;
  /** The reason why there is no answer. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** Bytes of inputs and outputs that one graph of trials may hold. */
const LARGEST_GROUP = 96 << 20;

/**
 * Runs each trial alone. Many trials share one graph of unconnected nodes. So no trial sees another's error, and a
 * backend compiles only a few times. If a backend refuses such a graph, its trials run one by one; a trial that is
 * refused again has the refusal as its outcome. Yields outcomes in the order of the trials.
 */
export async function* runTrials(
  backend: Backend,
  trials: Iterable<Trial> | AsyncIterable<Trial>,
  arithmetic: Arithmetic = float32,
  options: WorkOptions = {},
): AsyncGenerator<Outcome> {
  for await (const group of grouped(trials)) {
    const answers = await answersTo(backend, group, options);
    for (const [i, trial] of group.entries()) yield outcomeOf(trial, answers[i]!, arithmetic);
  }
}

/** The next trials, as many as one graph may hold. */
async function* grouped(trials: Iterable<Trial> | AsyncIterable<Trial>): AsyncGenerator<Trial[]> {
  let group: Trial[] = [];
  let bytes = 0;
  for await (const trial of trials) {
    const size = trialBytes(trial);
    if (group.length > 0 && bytes + size > LARGEST_GROUP) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(trial);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

function trialBytes(trial: Trial): number {
  const inputs = Object.values(trial.inputs).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return 4 * (inputs + sizeOf(outputShape(trial)));
}

type TrialAnswer = Tensor<"float32" | "float64"> | ResidualError;

async function answersTo(
  backend: Backend,
  group: readonly Trial[],
  options: WorkOptions,
): Promise<readonly TrialAnswer[]> {
  try {
    const { graph, inputs } = sideBySide(group);
    await using executable = await backend.compile(graph, options);
    const answers = await executable.run(inputs, options);
    return group.map((_, i) => answers[`y${i}`]!);
  } catch (error) {
    if (!(error instanceof ResidualError) || error.code === "AbortError") throw error;
    if (group.length === 1) return [error];
    const alone: TrialAnswer[] = [];
    for (const trial of group) alone.push((await answersTo(backend, [trial], options))[0]!);
    return alone;
  }
}

/** One graph of all trials: inputs `x0.x`, `x1.x`, …, outputs `y0`, `y1`, …. */
function sideBySide(group: readonly Trial[]): {
  readonly graph: Graph;
  readonly inputs: { readonly [name: string]: Tensor<"float32"> };
} {
  const declared: { [name: string]: ReturnType<typeof input> } = {};
  const inputs: { [name: string]: Tensor<"float32"> } = {};
  const outputs: { [name: string]: Value } = {};
  for (const [i, trial] of group.entries()) {
    const values = Object.entries(trial.inputs).map(([key, tensor]): [string, Value] => {
      const name = `x${i}.${key}`;
      if (trial.constants.has(key)) return [key, constant(name, tensor)];
      declared[name] = input(name, tensor.shape);
      inputs[name] = tensor;
      return [key, declared[name]];
    });
    outputs[`y${i}`] = named(`y${i}`, applyOp(trial.op, Object.fromEntries(values), trial.attributes));
  }
  return { graph: graph({ name: "trials", inputs: declared, outputs }), inputs };
}

/** The trial as a node of its inputs. */
function nodeOf({ op, inputs, attributes }: Trial): AnyNode {
  return applyOp(
    op,
    mapValues(inputs, ({ shape }, key) => input(key, shape)),
    attributes,
  );
}

/** The shape of a trial's answer. */
export const outputShape = (trial: Trial): readonly number[] => shapeOf(nodeOf(trial));

/** A trial has no open batch. */
const shapeOf = (node: AnyNode): readonly number[] => concrete(node.shape, 1);

/**
 * The trial's answer in float64, and the largest error of each element. A trial with samples gets both for its samples
 * only.
 */
export function expectationOf(
  trial: Trial,
  arithmetic: Arithmetic = float32,
): Bounded & { readonly shape: readonly number[] } {
  if (trial.samples) return sampledExpectation(trial, trial.samples, arithmetic);
  const { node, inputs, shape } = exactly(trial);
  const value = trial.answer?.data ?? evaluateOp(node, inputs, shape);
  const known = isPlain(arithmetic) ? trial.bound : undefined;
  return { value, bound: known ?? boundOf(node, inputs, { value, shape, arithmetic }), shape };
}

/** Whether bounds in an arithmetic are those in plain float32. */
function isPlain({ unit, stored, winograd, int8 }: Arithmetic): boolean {
  return unit === float32.unit && stored === float32.stored && winograd.length === 0 && !int8;
}

/** Treats each sample as a separate trial with the sample's own inputs. */
function sampledExpectation(
  trial: Trial,
  samples: readonly number[],
  arithmetic: Arithmetic,
): ReturnType<typeof expectationOf> {
  const shape = outputShape(trial);
  const each = samples.map((at) => {
    const cut = cutOut(trial.op, trial.inputs, trial.attributes, indexOf(at, shape));
    if (!cut) throw new TypeError(`${trial.op} has no rule that cuts out an element: hold all of its output`);
    const { at: place = 0, ...rest } = cut;
    const { value, bound } = expectationOf(
      { name: trial.name, op: trial.op, constants: trial.constants, ...rest },
      arithmetic,
    );
    return { value: value[place]!, bound: bound[place]! };
  });
  return {
    value: Float64Array.from(each, ({ value }) => value),
    bound: Float64Array.from(each, ({ bound }) => bound),
    shape,
  };
}

/** The trial with its answer. */
export function answered(trial: Trial): Trial & { readonly answer: Tensor<"float64"> } {
  const { node, inputs, shape } = exactly(trial);
  return { ...trial, answer: tensorOf("float64", shape, evaluateOp(node, inputs, shape)) };
}

/** The trial as a node, and its inputs in float64. */
function exactly(trial: Trial): {
  readonly node: AnyNode;
  readonly inputs: { readonly [input: string]: Tensor<"float64"> };
  readonly shape: readonly number[];
} {
  const node = nodeOf(trial);
  return { node, inputs: mapValues(trial.inputs, toFloat64), shape: shapeOf(node) };
}

/** Uses the plain bound first. Winograd's bound is wider, and takes longer to compute than all other work. */
function outcomeOf(trial: Trial, answer: TrialAnswer, arithmetic: Arithmetic): Outcome {
  const plain = outcomeWithin(trial, answer, { ...arithmetic, winograd: [] });
  return plain.share <= 1 || arithmetic.winograd.length === 0 ? plain : outcomeWithin(trial, answer, arithmetic);
}

function outcomeWithin(trial: Trial, answer: TrialAnswer, arithmetic: Arithmetic): Outcome {
  const { value, bound, shape } = expectationOf(trial, arithmetic);
  if (answer instanceof ResidualError) {
    const isTooLarge = answer.code === "UnsupportedError" && leavesRange(trial, value, bound, arithmetic);
    if (isTooLarge) return { trial, shape, share: 0 };
    return { trial, shape, share: Infinity, error: { code: answer.code, message: answer.message } };
  }
  if (answer.shape.join() !== shape.join()) {
    const message = `the answer is [${answer.shape.join(", ")}], expected [${shape.join(", ")}]`;
    return { trial, shape, share: Infinity, error: { code: "ShapeError", message } };
  }
  const { samples } = trial;
  const found = samples ? samples.map((at) => answer.data[at]!) : answer.data;
  const { share, at } = compare(found, value, bound, arithmetic);
  const index = indexOf(samples?.[at] ?? at, shape);
  const worst = { index, expected: value[at]!, found: found[at]!, bound: bound[at]! };
  return { trial, shape, share, worst };
}

/**
 * Whether finite inputs or outputs exceed the range of an arithmetic narrower than float32. The backend may refuse
 * them.
 */
function leavesRange(
  { inputs }: Trial,
  value: ArrayLike<number>,
  bound: ArrayLike<number>,
  { largest }: Arithmetic,
): boolean {
  if (largest >= float32.largest) return false;
  const numbers = Object.values(inputs).flatMap(({ data }) => [...data]);
  const isBeyond = (number: number, off = 0) => Math.abs(number) + off > largest;
  const isLeft =
    numbers.some((each) => isBeyond(each)) || Array.from(value).some((each, i) => isBeyond(each, bound[i]));
  return isLeft && numbers.every(Number.isFinite);
}

/** The largest share of a bound, and its place. NaN for NaN, or the same infinity, is always right. */
export function compare(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: ArrayLike<number>,
  { largest }: Pick<Arithmetic, "largest"> = float32,
): { readonly share: number; readonly at: number } {
  let [share, at] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const each = shareOf(found[i]!, expected[i]!, bound[i]!, largest);
    if (each > share) [share, at] = [each, i];
  }
  return { share, at };
}

function shareOf(found: number, expected: number, bound: number, largest: number): number {
  if (found === expected || (Number.isNaN(found) && Number.isNaN(expected))) return 0;
  const overflow = Math.abs(expected) + bound > largest && Math.abs(found) === Infinity;
  if (overflow && Math.sign(found) === Math.sign(expected)) return 0; // the number is too large, so infinity is right
  const share = Math.abs(found - expected) / bound;
  return Number.isNaN(share) ? Infinity : share;
}

/** A flat index as an index by axis. */
export function indexOf(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .toReversed();
}

/**
 * The numbers rounded to float32, as every backend gets them. Subnormal numbers become 0, since a backend may read them
 * as 0 (WGSL allows it), and no bound covers the consequences.
 */
export function roundToFloat32({ shape, data }: Tensor<"float32" | "float64">): Tensor<"float32"> {
  const rounded = new Float32Array(data);
  for (let i = 0; i < rounded.length; i++) if (Math.abs(rounded[i]!) < float32.smallest) rounded[i] = 0;
  return tensorOf("float32", shape, rounded);
}
