import { type Deviation, type OpName, ops, type Trait, traits, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { float32Backend } from "../evidence/mutations/float32-backend.ts";
import { pointwise } from "../evidence/mutations/kernels.ts";
import type { Check } from "../report/types.ts";
import { hold, runTask } from "./conform.ts";
import { checkDeviations, traitsShownBy, withDeviations } from "./deviations.ts";
import { plan } from "./plan.ts";

const dropsNaN: Deviation = { op: "relu", trait: "drops NaN", because: "the runtime drops it" };
const worst = { index: [0], expected: Number.NaN, found: 3, bound: 0 };
const wrong: Check = { name: "NaN", op: "relu", passed: false, share: Infinity, worst, shows: ["drops NaN"] };
const right: Check = { name: "zero", op: "relu", passed: true, share: 0 };

describe("withDeviations", () => {
  it("excuses a wrong number whose case shows a declared trait, and keeps what was found", () => {
    const { trait, because } = dropsNaN;
    expect(withDeviations([wrong, right], [dropsNaN])).toEqual([{ ...wrong, passed: true, trait, because }, right]);
  });

  it("excuses no other trait, no other op, and no error", () => {
    const others: Deviation[] = [
      { ...dropsNaN, trait: "turns infinity into NaN" },
      { ...dropsNaN, op: "sigmoid" },
    ];
    expect(withDeviations([wrong], others)).toEqual([wrong]);
    const { worst: _, ...refused } = wrong;
    expect(withDeviations([wrong, refused], [dropsNaN]).map(({ passed }) => passed)).toEqual([true, false]);
  });

  it("fails for a declared trait that no case shows any more; one case is enough", () => {
    const passing = { ...wrong, passed: true };
    const gone = { name: "relu drops NaN", passed: false, trait: "drops NaN", because: "the runtime drops it" };
    expect(withDeviations([passing], [dropsNaN])).toEqual([passing, expect.objectContaining(gone)]);
    expect(withDeviations([passing, wrong], [dropsNaN]).map(({ passed }) => passed)).toEqual([true, true]);
  });

  it("leaves a section alone that has no case of the trait", () => {
    expect(withDeviations([right], [dropsNaN])).toEqual([right]);
  });
});

describe("a backend whose relu drops NaN", () => {
  const backend = float32Backend({ kernels: { relu: pointwise((x) => (Number.isNaN(x) ? 0 : Math.max(x, 0))) } });
  const verdicts = async (deviations: readonly Deviation[], rename = (name: string) => name) => {
    const [task] = (await plan({ only: ["ops"] })).filter(({ name }) => name === "special values");
    const { held, deviations: all } = await hold(backend, { deviations });
    const renamed = {
      ...task!,
      async *run(of: typeof held) {
        for await (const check of task!.run(of)) yield { ...check, name: rename(check.name) };
      },
    };
    return (await runTask(renamed, held, all)).checks.filter(({ passed }) => !passed).map(({ name }) => name);
  };

  it("fails, and passes once it declares the trait, whatever the cases are called", async () => {
    expect(await verdicts([])).toEqual(["relu: NaN stays"]);
    expect(await verdicts([dropsNaN])).toEqual([]);
    expect(await verdicts([dropsNaN], (name) => `renamed ${name.length}`)).toEqual([]);
  });

  it("fails if it declares more than is true", async () => {
    const more: Deviation = { op: "relu", trait: "turns infinity into NaN", because: "it once did" };
    expect(await verdicts([dropsNaN, more])).toEqual(["relu turns infinity into NaN"]);
  });
});

describe("the vocabulary", () => {
  it("has a case for every trait", () => {
    const shown = new Set((Object.keys(ops) as OpName[]).flatMap(traitsShownBy));
    expect([...shown].sort()).toEqual(Object.keys(traits).sort());
  });

  it("refuses a trait that it does not know, and one that no case of the op shows", () => {
    const of = (op: OpName, trait: Trait): Deviation[] => [{ op, trait, because: "" }];
    expect(() => checkDeviations(of("relu", "drops NaN"))).not.toThrow();
    expect(() => checkDeviations(of("relu", "drops its hat" as Trait))).toThrow(UnsupportedError);
    expect(() => checkDeviations(of("relu", "drops its hat" as Trait))).toThrow(
      /no case that shows \{ op: "relu", trait: "drops its hat" \}: the traits are "drops NaN", .*newer$/,
    );
    expect(() => checkDeviations(of("add", "pads with a finite number"))).toThrow(/its cases show "drops NaN", "turns/);
    expect(() => checkDeviations(of("gelu" as OpName, "drops NaN"))).toThrow(/its cases show none$/);
  });

  it("is checked before anything runs", async () => {
    const deviations = [{ op: "add", trait: "keeps negative subnormals", because: "" }] as const;
    await expect(hold(float32Backend(), { deviations })).rejects.toThrow(UnsupportedError);
  });
});
