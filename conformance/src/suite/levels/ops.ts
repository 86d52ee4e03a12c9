import type { OpName } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { randomTrials, shrink } from "../cases/random.ts";
import { sweepTrials } from "../cases/sweep.ts";
import { writtenTrials } from "../cases/written.ts";
import { checkOf, whatOf } from "../check.ts";
import { opNames } from "../ops/suites.ts";
import { type BackendUnderTest, counted, type Task } from "../task.ts";
import { type Outcome, runTrials, type Trial, type Trials } from "../trial.ts";
import { goldenOpsTask } from "./golden-ops.ts";

/** The number of random trials of each op. */
const RUNS = { quick: 25, full: 400 } as const;

/** The number of sections for the layers of the family. An interrupted run repeats at least one whole section. */
const PARTS = { quick: 1, full: 50 } as const;

export const listed = (trials: readonly Trial[]): Trials => ({ count: trials.length, trials });

function partName(part: number, level: "quick" | "full"): string | undefined {
  return PARTS[level] === 1 ? undefined : `part ${part + 1} of ${PARTS[level]}`;
}

/**
 * Checks every op: cases written by hand, PyTorch's recorded answers, random shapes, and the layers of the family's
 * models.
 */
export function opTasks(level: "quick" | "full"): readonly Task[] {
  const task = (name: string, trials: () => Trials, variant?: string): Task => ({
    level: "ops",
    name,
    ...(variant !== undefined && { variant }),
    run: (held) => checksOf(held, trials()),
  });
  const sweep = (part: number) => () => sweepTrials(level, { part, parts: PARTS[level] });
  return [
    task("by hand", () => listed(writtenTrials("byHand"))),
    task("special values", () => listed(writtenTrials("special"))),
    goldenOpsTask,
    { level: "ops", name: "random shapes", run: (held) => randomChecks(held, opNames, RUNS[level]) },
    ...Array.from({ length: PARTS[level] }, (_, part) =>
      task("layers of the family", sweep(part), partName(part, level)),
    ),
  ];
}

export function checksOf(held: BackendUnderTest, { count, trials }: Trials): AsyncIterable<Check> {
  return counted(outcomes(held, trials), count, held);
}

async function* outcomes(
  { backend, arithmetic, work }: BackendUnderTest,
  trials: Iterable<Trial>,
): AsyncGenerator<Check> {
  for await (const outcome of runTrials(backend, trials, arithmetic, work)) yield checkOf(outcome);
}

/** A fixed seed gives the same trials in each run, so that runs can be compared. */
const SEED = 1;

/** One check for each op over all of its trials. It reports the smallest failing trial, or else the worst. */
export function randomChecks(held: BackendUnderTest, names: readonly OpName[], runs: number): AsyncIterable<Check> {
  return counted(randomOutcomes(held, names, runs), names.length, held);
}

async function* randomOutcomes(held: BackendUnderTest, names: readonly OpName[], runs: number): AsyncGenerator<Check> {
  for (const op of names) yield await randomCheck(held, op, runs);
}

async function randomCheck({ backend, arithmetic, work }: BackendUnderTest, op: OpName, runs: number): Promise<Check> {
  let worst: Outcome | undefined;
  for await (const outcome of runTrials(backend, randomTrials(op, { seed: SEED, runs }), arithmetic, work)) {
    if (!worst || outcome.share > worst.share) worst = outcome;
  }
  if (worst!.share > 1) worst = (await shrink(backend, op, { seed: SEED, runs }, arithmetic, work)) ?? worst;
  const check = checkOf(worst!);
  return {
    ...check,
    name: op,
    what: check.passed ? `${runs} trials; the worst: ${check.what}` : whatOf(worst!.trial, worst!.shape),
  };
}
