import { type Backend, nodesOf, type OpName, optimize } from "@residual/core";
import { describe, expect, it } from "vitest";
import { float32 } from "../../suite/arithmetic.ts";
import { writtenTrials } from "../../suite/cases/written.ts";
import { checkOf } from "../../suite/check.ts";
import { type NodeAnswer, nodeAnswers, runNodes, type Subject } from "../../suite/nodes.ts";
import { trainingOpNames } from "../../suite/ops/suites.ts";
import { secondStep, smallNets } from "../../suite/training/nets.ts";
import { runTrials } from "../../suite/trial.ts";
import { float32Backend } from "./float32-backend.ts";
import { type TrainingCatch, type TrainingMutation, trainingMutations } from "./training.ts";

/** The steps with their right answers, which are the same for every bug. */
const steps = new Map<string, { readonly subject: Subject; readonly answers: readonly NodeAnswer[] }>();
for (const net of smallNets) {
  const { graph, inputs } = await secondStep(net);
  const subject = { graph: optimize(graph), inputs };
  const answers: NodeAnswer[] = [];
  for await (const answer of nodeAnswers(subject)) answers.push(answer);
  steps.set(net.name, { subject, answers });
}

/** The names of the checks that fail, in their order. `ops` are those whose cases by hand are run. */
async function failures(backend: Backend, where: TrainingCatch, ops: readonly OpName[]): Promise<readonly string[]> {
  const failed: string[] = [];
  for await (const outcome of outcomesOf(backend, where, ops)) {
    const { name, passed } = checkOf(outcome);
    if (!passed) failed.push(name);
  }
  return failed;
}

function outcomesOf(backend: Backend, where: TrainingCatch, ops: readonly OpName[]) {
  if ("check" in where) return runTrials(backend, writtenTrials("byHand", ops));
  const { subject, answers } = steps.get(where.net)!;
  return runNodes(backend, subject, float32, { answers });
}

it("a backend without bugs passes", async () => {
  for (const where of [{ check: "" }, ...smallNets.map(({ name }) => ({ net: name, node: "" }) as TrainingCatch)]) {
    expect(await failures(float32Backend(), where, trainingOpNames)).toEqual([]);
  }
});

describe.each(trainingMutations.map((mutation) => [mutation.bug, mutation] as const))("%s", (_, { bugs, caught }) => {
  it("is caught where it should be", async () => {
    const own = Object.keys(bugs.kernels!) as OpName[];
    for (const where of caught) {
      const failed = await failures(float32Backend(bugs), where, own);
      if ("check" in where) {
        expect(failed).toContain(where.check);
        continue;
      }
      expect(failed[0]).toBe(where.node);
      const wrong = nodesOf(steps.get(where.net)!.subject.graph).filter(({ name }) => failed.includes(name));
      expect([...new Set(wrong.map(({ op }) => op))], "no other op is blamed").toEqual(own);
    }
  });
});

function rowOf({ bug, caught }: TrainingMutation): string {
  const places = caught.map((where) =>
    "check" in where ? `by hand: ${where.check}` : `nodes: **${where.node}** of ${where.net}`,
  );
  return `| ${bug} | ${places.join("; ")} |`;
}

it("are in the docs", async () => {
  const text = [
    "# Planted bugs: gradients and optimizers",
    "",
    `${trainingMutations.length} bugs are planted, one at a time, in a backend that passes level train without them. ` +
      "Each has to be caught by every",
    "check named here; in the step of a small net the first node that fails has to be the one in bold. `vitest run",
    "mutations/training -u` in `conformance/` writes this page. Bugs of inference: [planted bugs](planted-bugs.md).",
    "",
    "| bug | caught by |",
    "|---|---|",
    ...trainingMutations.map(rowOf),
    "",
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../../../../docs/planted-bugs-training.md");
});
