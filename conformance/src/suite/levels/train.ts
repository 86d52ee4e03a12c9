import { nodesOf, type OpName } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { writtenTrials } from "../cases/written.ts";
import { checkOf } from "../check.ts";
import { trainingGoldenIds } from "../goldens.ts";
import { runNodes } from "../nodes.ts";
import { trainingOpNames } from "../ops/suites.ts";
import { type BackendUnderTest, counted, type Task } from "../task.ts";
import { differences } from "../training/differences.ts";
import { recordedNet, secondStep, smallNets, type TrainedNet } from "../training/nets.ts";
import { recordedGradients } from "../training/recorded-gradients.ts";
import { recordedRun } from "../training/recorded-run.ts";
import { checksOf, listed, randomChecks } from "./ops.ts";

/** The random trials of each op, and of each op's gradient. */
const RUNS = { quick: { trials: 8, differences: 1 }, full: { trials: 200, differences: 20 } } as const;

/** The recorded runs of level quick: the others take minutes. */
const quickRuns = trainingGoldenIds.slice(0, 2);

/** Training: its ops, gradients, each node of a step, and recorded steps of SGD. */
export function trainTasks(level: "quick" | "full"): readonly Task[] {
  const task = (name: string, run: Task["run"], variant?: string): Task => ({
    level: "train",
    name,
    ...(variant !== undefined && { variant }),
    run,
  });
  const names: readonly OpName[] = trainingOpNames;
  const written = (kind: "byHand" | "special"): Task["run"] => {
    return (held) => checksOf(held, listed(writtenTrials(kind, names)));
  };
  const { trials, differences: runs } = RUNS[level];
  const nets = level === "full" ? [...smallNets, ...trainingGoldenIds.map(recordedNet)] : smallNets;
  return [
    task("ops by hand", written("byHand")),
    task("ops on special values", written("special")),
    task("ops on random shapes", (held) => randomChecks(held, names, trials)),
    task("PyTorch's gradients", recordedGradients),
    task("finite differences", (held) => differences(held, runs)),
    ...nets.map((net) => task("nodes of a step", (held) => nodeChecks(held, net), net.name)),
    ...(level === "full" ? trainingGoldenIds : quickRuns).map((id) =>
      task("three steps", (held) => recordedRun(held, id), id.replace(/^train_/, "")),
    ),
  ];
}

/** Each node alone, fed with the reference's own inputs. */
async function* nodeChecks(held: BackendUnderTest, net: TrainedNet): AsyncGenerator<Check> {
  const { backend, arithmetic, work } = held;
  const subject = await secondStep(net);
  async function* checks() {
    for await (const outcome of runNodes(backend, subject, arithmetic, work)) yield checkOf(outcome);
  }
  yield* counted(checks(), nodesOf(subject.graph).length, held);
}
