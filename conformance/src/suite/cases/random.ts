import { type Backend, fill, type OpName, type Tensor, type WorkOptions } from "@residual/core";
import fc, { type Arbitrary } from "fast-check";
import type { Arithmetic } from "../arithmetic.ts";
import { suiteOf, suites } from "../ops/suites.ts";
import { type Outcome, runTrials, type Trial } from "../trial.ts";
import { parametersAmong } from "./written.ts";

/**
 * The numbers of each input. They depend only on the op, the input and its shape, so a printed trial is enough to
 * repeat the trial.
 */
function numbersOf(op: OpName, input: string, shape: readonly number[]): Tensor<"float32"> {
  const ranges: { readonly [input: string]: readonly [number, number] } = suites[op].ranges ?? {};
  const [from, to] = ranges[input] ?? [-2, 2];
  return fill("random", `${op}/${input}`, shape, from, to);
}

/**
 * Which inputs are constants. Weights usually are, but a graph may compute them. The second operand of a sum may be a
 * constant.
 */
const constancies = {
  parameters: parametersAmong,
  none: () => new Set<string>(),
  allButFirst: (_: OpName, [, ...rest]: readonly string[]) => new Set(rest),
} as const;

type Constancy = keyof typeof constancies;

/** Any application of an op, small enough for a reader to check. */
export function arbitraryTrial(op: OpName): Arbitrary<Trial> {
  const kinds = Object.keys(constancies) as Constancy[];
  return fc.tuple(suites[op].draft, fc.constantFrom(...kinds)).map(([{ shapes, attributes = {} }, constancy]) => {
    const names = Object.keys(shapes);
    const drawn = Object.fromEntries(names.map((name) => [name, numbersOf(op, name, shapes[name]!)]));
    const inputs = suiteOf(op).agree?.(drawn) ?? drawn;
    return { name: op, op, attributes, inputs, constants: constancies[constancy](op, names) };
  });
}

export interface RandomOptions {
  readonly seed: number;
  readonly runs: number;
}

/** `runs` trials of an op. The same seed gives the same trials. */
export function randomTrials(op: OpName, { seed, runs }: RandomOptions): readonly Trial[] {
  return fc.sample(arbitraryTrial(op), { seed, numRuns: runs });
}

/** The smallest trial that still fails when run by itself; undefined if none does. */
export async function shrink(
  backend: Backend,
  op: OpName,
  { seed, runs }: RandomOptions,
  arithmetic: Arithmetic,
  work: WorkOptions = {},
): Promise<Outcome | undefined> {
  let smallest: Outcome | undefined;
  const passes = fc.asyncProperty(arbitraryTrial(op), async (trial) => {
    for await (const outcome of runTrials(backend, [trial], arithmetic, work)) {
      if (outcome.share <= 1) continue;
      smallest = outcome;
      return false;
    }
    return true;
  });
  await fc.check(passes, { seed, numRuns: runs });
  return smallest;
}
