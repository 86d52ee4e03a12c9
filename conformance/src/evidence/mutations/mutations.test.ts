import { type Backend, constant, fill, fixtureInput, graph, input, ops } from "@residual/core";
import { afterAll, describe, expect, it } from "vitest";
import { toy } from "../../../example/toy-backend.ts";
import type { Check } from "../../report/types.ts";
import { answers } from "../../suite/behaviour/answers.ts";
import { life } from "../../suite/behaviour/life.ts";
import { refusals } from "../../suite/behaviour/refusals.ts";
import { type Subject, subjectOf } from "../../suite/behaviour/subject.ts";
import { variables } from "../../suite/behaviour/variables.ts";
import { hold, runTask } from "../../suite/conform.ts";
import { plan } from "../../suite/plan.ts";
import { float32Backend } from "./float32-backend.ts";
import { type Catch, type Mutation, mutations, tidyUp } from "./table.ts";

const behaviours = { ...answers, ...life, ...refusals, ...variables };

/** The checks of the section that has to catch a bug. */
async function checksAt(backend: Backend, where: Catch): Promise<readonly Check[]> {
  if (where.level === "behaviour") return [await behaviourCheck(backend, where.check)];
  const models = "model" in where ? [where.model] : [];
  const tasks = await plan({ only: [where.level], models });
  const { held } = await hold(backend, {});
  const wanted = tasks.find(({ name, variant = "" }) =>
    where.level === "ops" ? name === where.section : where.level === "models" || variant.startsWith(where.form),
  );
  return (await runTask(wanted!, held, [])).checks;
}

async function behaviourCheck(backend: Backend, name: string): Promise<Check> {
  const subject = name.startsWith("200 rounds") ? smallSubject(backend) : subjectOf(backend);
  return behaviours[name]!(subject).then(
    () => ({ name, passed: true }),
    (error: unknown) => ({ name, passed: false, message: String(error) }),
  );
}

/** A linear layer with as many weights as the network, for checks that take hundreds of rounds. */
function smallSubject(backend: Backend): Subject {
  const image = input("image", ["N", 270]);
  const weight = constant("weight", fill("small", "weight", [10, 270], -1, 1));
  const small = graph({ name: "small", inputs: { image }, outputs: { logits: ops.linear({ x: image, weight }) } });
  return {
    backend,
    graph: small,
    compile: () => backend.compile(small),
    image: (salt) => ({ ...fixtureInput(salt, [1, 1, 1, 270]), shape: [1, 270] }),
    bytes: 4 * 270_000,
  };
}

const first = (checks: readonly Check[]) => checks.find(({ passed }) => !passed);

afterAll(tidyUp);

describe("a backend without bugs", () => {
  it("passes level behaviour: the example that a reader may copy", async () => {
    for (const name of Object.keys(behaviours)) expect(await behaviourCheck(toy, name)).toEqual({ name, passed: true });
  });

  it("that bugs are planted in conforms", async () => {
    const where = mutations.flatMap(({ caught }) => caught);
    const keys = new Map(
      where.map((each) => [
        JSON.stringify({ ...each, check: each.level === "behaviour" && each.check, node: 0 }),
        each,
      ]),
    );
    for (const each of keys.values())
      expect(first(await checksAt(float32Backend(), each)), JSON.stringify(each)).toBeUndefined();
  });
});

describe.each(mutations.map((mutation) => [mutation.bug, mutation] as const))("%s", (_, mutation) => {
  it("is caught where it should be", async () => {
    for (const where of mutation.caught) {
      const checks = await checksAt(float32Backend(mutation.bugs), where);
      if (where.level === "nodes") expect(first(checks)?.name).toBe(where.node);
      else expect(checks.filter(({ passed }) => !passed).map(({ name }) => name)).toContain(where.check);
    }
  });

  const { slips } = mutation;
  if (slips) {
    it("slips through where it is known to", async () => {
      for (const level of slips) {
        const tasks = await plan({ only: [level], models: ["cifar_resnet20"] });
        const { held } = await hold(float32Backend(mutation.bugs), {});
        for (const task of tasks.filter(({ name }) => name !== "layers of the family")) {
          expect(first((await runTask(task, held, [])).checks), task.name).toBeUndefined();
        }
      }
    });
  }
});

function rowOf({ bug, caught, slips = [] }: Mutation): string {
  return `| ${bug} | ${caught.map(placeOf).join("; ")} | ${slips.join(", ")} |`;
}

function placeOf(where: Catch): string {
  const { level } = where;
  if (level === "nodes") return `nodes: **${where.node}** of ${where.model}, ${where.form}`;
  return `${level}: ${level === "models" ? `${where.check} of ${where.model}` : where.check}`;
}

it("are in the docs", async () => {
  const text = [
    "# Planted bugs",
    "",
    `${mutations.length} bugs are planted, one at a time, in a backend that conforms without them. Each has to be caught by every check`,
    "named here; at level *nodes* the first node that fails has to be the one in bold. The last column has the levels that a bug",
    "slips through, which is why there are more. `vitest run mutations -u` in `conformance/` writes this page.",
    "",
    "| bug | caught by | slips through |",
    "|---|---|---|",
    ...mutations.map(rowOf),
    "",
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../../../../docs/planted-bugs.md");
});
