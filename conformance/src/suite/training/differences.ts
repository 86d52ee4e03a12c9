import {
  applyOp,
  concrete,
  differentiate,
  evaluateOp,
  fill,
  type Graph,
  graph,
  hashU32,
  input,
  mapValues,
  type OpName,
  ShapeError,
  type Tensor,
  tensorOf,
  toFloat64,
  UnsupportedError,
} from "@residual/core";
import type { Check } from "../../report/types.ts";
import { composedBound } from "../bounds.ts";
import { randomTrials } from "../cases/random.ts";
import { heldAgainst, whatOf } from "../check.ts";
import { opNames, trainingOpNames } from "../ops/suites.ts";
import { type BackendUnderTest, counted } from "../task.ts";
import { indexOf, type Trial } from "../trial.ts";

/**
 * The gradients of each op by each of its inputs, compared with differences of the reference in float64. One check for
 * each op over all of its trials.
 */
export async function* differences(held: BackendUnderTest, runs: number): AsyncGenerator<Check> {
  const names: readonly OpName[] = [...opNames, ...trainingOpNames].filter(hasGradient);
  async function* checks() {
    for (const op of names) yield await worstOf(held, randomTrials(op, { seed: SEED, runs }));
  }
  yield* counted(checks(), names.length, held);
}

const SEED = 3;

/** Ops that only gradients consist of have none. */
function hasGradient(op: OpName): boolean {
  const [trial] = randomTrials(op, { seed: SEED, runs: 1 });
  return gradientGraph(trial!) !== undefined;
}

interface Differentiated {
  readonly graph: Graph;
  readonly by: readonly string[];
}

/** Σ upstream · op(inputs), differentiated by each input that has a gradient. Undefined if none has. */
function gradientGraph({ op, inputs, attributes }: Trial): Differentiated | undefined {
  const values = mapValues(inputs, ({ shape }, name) => input(name, shape));
  const forward: Graph = graph({ name: op, inputs: values, outputs: { answer: applyOp(op, values, attributes) } });
  const by = Object.keys(inputs).filter((name) => {
    try {
      differentiate(forward, { of: "answer", by: [name] as readonly string[], seed: "upstream" });
      return true;
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof ShapeError) return false;
      throw error;
    }
  });
  if (by.length === 0) return undefined;
  return { graph: differentiate(forward, { of: "answer", by, seed: "upstream" }), by };
}

async function worstOf(held: BackendUnderTest, trials: readonly Trial[]): Promise<Check> {
  let worst: Check | undefined;
  let elements = 0;
  for (const trial of trials) {
    for await (const { check, count } of checksOf(held, trial)) {
      elements += count;
      if (!worst || check.share! > worst.share!) worst = check;
    }
  }
  const { op, name } = worst!;
  return { ...worst!, name: op!, what: `${elements} elements; the worst, by ${name}: ${worst!.what}` };
}

async function* checksOf(
  { backend, arithmetic, work }: BackendUnderTest,
  trial: Trial,
): AsyncGenerator<{ readonly check: Check; readonly count: number }> {
  const { graph: whole, by } = gradientGraph(trial)!;
  const upstream = fill("differences", trial.op, whole.inputs.upstream!.shape as readonly number[], -1, 1);
  const given = { ...trial.inputs, upstream };
  await using executable = await backend.compile(whole, work);
  const answers = await executable.run(given, work);
  for (const name of by) {
    const { shape } = trial.inputs[name]!;
    const known = slopesAt(trial, name, upstream);
    const { bound } = composedBound(whole.outputs[`${name}.gradient`]!, given, arithmetic);
    const found = answers[`${name}.gradient`]!.data;
    const check = heldAgainst(
      { name, op: trial.op },
      {
        found: known.map(({ at }) => found[at]!),
        expected: known.map(({ slope }) => slope),
        bound: known.map(({ at, error }) => bound[at]! + error),
        indexAt: (place) => indexOf(known[place]?.at ?? 0, shape),
      },
    );
    yield { check: { ...check, what: whatOf(trial, upstream.shape) }, count: known.length };
  }
}

/** The slope of Σ upstream · op(inputs) along one element of an input, and how far the difference may be from it. */
interface Slope {
  readonly at: number;
  readonly slope: number;
  readonly error: number;
}

/** The most elements of one input. */
const DRAWN = 8;

/** A step in an input. A power of two, so that x ± h is exact. */
const STEP = 2 ** -10;

/** Slopes whose differences of two steps differ by more are next to a kink, such as ReLU's at 0, and left out. */
const KINK = 1e-6;

/**
 * (8·(f(h) − f(−h)) − (f(2h) − f(−2h))) / 12h, which is off by h⁴/30 times the fifth derivative. The difference from
 * the same with 2h is 15 times that error. The rounding of f is at most some 2⁻⁵⁰ of its terms.
 */
function slopesAt(trial: Trial, name: string, upstream: Tensor<"float32">): readonly Slope[] {
  const inputs = mapValues(trial.inputs, toFloat64);
  const values = mapValues(inputs, ({ shape }, key) => input(key, shape));
  const node = applyOp(trial.op, values, trial.attributes);
  const shape = concrete(node.shape, 1);
  const { shape: ofInput, data } = inputs[name]!;
  const valueAt = (at: number, step: number): { sum: number; size: number } => {
    const moved = data.slice();
    moved[at]! += step;
    const y = evaluateOp(node, { ...inputs, [name]: tensorOf("float64", ofInput, moved) }, shape);
    let [sum, size] = [0, 0];
    for (const [i, each] of y.entries()) {
      sum += each * upstream.data[i]!;
      size += Math.abs(each * upstream.data[i]!);
    }
    return { sum, size };
  };
  const difference = (at: number, h: number) => (valueAt(at, h).sum - valueAt(at, -h).sum) / (2 * h);
  const places = new Set(
    Array.from({ length: DRAWN }, (_, k) => (data.length <= DRAWN ? k : hashU32(k, 7)) % data.length),
  );
  return [...places].flatMap((at): Slope[] => {
    const [once, twice, four] = [1, 2, 4].map((times) => difference(at, times * STEP)) as [number, number, number];
    const [slope, coarse] = [(4 * once - twice) / 3, (4 * twice - four) / 3];
    const { size } = valueAt(at, 0);
    const error = Math.abs(slope - coarse) + (2 ** -50 * size * shape.length * 8) / STEP;
    return error > KINK * (1 + size) ? [] : [{ at, slope, error }];
  });
}
