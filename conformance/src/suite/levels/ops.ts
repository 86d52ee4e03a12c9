import type { OpName } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { randomTrials, shrink } from "../cases/random.ts";
import { sweepTrials } from "../cases/sweep.ts";
import { writtenTrials } from "../cases/written.ts";
import { checkOf, whatOf } from "../check.ts";
import { opNames } from "../ops/suites.ts";
import type { Held, Task } from "../task.ts";
import { type Outcome, runTrials, type Trial } from "../trial.ts";
import { goldenOpsTask } from "./golden-ops.ts";

/** Random trials of each op. */
const RUNS = { quick: 25, full: 400 } as const;

/** Every op: cases written by hand, PyTorch's recorded answers, random shapes, and what the family's models ask for. */
export function opTasks(level: "quick" | "full"): readonly Task[] {
  const task = (name: string, trials: () => Iterable<Trial>): Task => ({
    level: "ops",
    name,
    run: (held) => checksOf(held, trials()),
  });
  return [
    task("by hand", () => writtenTrials("byHand")),
    task("special values", () => writtenTrials("special")),
    goldenOpsTask,
    { level: "ops", name: "random shapes", run: (held) => randomChecks(held, RUNS[level]) },
    task("layers of the family", () => sweepTrials(level)),
  ];
}

async function* checksOf({ backend, arithmetic, work }: Held, trials: Iterable<Trial>): AsyncGenerator<Check> {
  for await (const outcome of runTrials(backend, trials, arithmetic, work)) yield checkOf(outcome);
}

/** The same trials each time, so that two runs can be compared. */
const SEED = 1;

/** One check for each op: all of its trials, of which the worst is told, or the smallest that fails. */
async function* randomChecks(held: Held, runs: number): AsyncGenerator<Check> {
  for (const op of opNames) yield await randomCheck(held, op, runs);
}

async function randomCheck({ backend, arithmetic, work }: Held, op: OpName, runs: number): Promise<Check> {
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
