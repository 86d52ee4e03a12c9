import type { ModelName } from "@residual/core";
import { expect, it } from "vitest";
import { applications, sweepTrials } from "./cases/sweep.ts";
import { modelGoldenIds, modelName } from "./goldens.ts";
import { plan } from "./plan.ts";
import { titleOf } from "./task.ts";

it("a golden is of the model that goes by another name here", () => {
  expect(modelName("seed000_block_s2_2x8x8x8")).toBe("paddle_unit_s2");
  expect(modelName("timm_resnet50d_2x3x160x160")).toBe("resnet50d");
  expect(() => modelName("vgg16_1x3x224x224")).toThrow("vgg16_1x3x224x224 is of no model");
});

it("models are understood by their goldens' names, and called by their own", async () => {
  const models = ["seed000_block_s2", "resnet18"] as ModelName[];
  const tasks = await plan({ models, only: ["nodes", "models"] });
  expect(new Set(tasks.map(({ name }) => name))).toEqual(new Set(["paddle_unit_s2", "resnet18"]));
  expect(new Set(tasks.map(({ level }) => level))).toEqual(new Set(["nodes", "models"]));
});

it("a model that PyTorch's answers are not recorded of says so", async () => {
  const named = await plan({ models: ["resnet26", "resnet18"], only: ["models"] });
  expect(named.map(({ name, skipped }) => [name, skipped !== undefined])).toEqual([
    ["resnet18", false],
    ["resnet26", true],
  ]);
});

it("the layers of the family are many sections in the full level, which go by one name and share out all layers", async () => {
  const full = { level: "full", only: ["ops"] } as const;
  const titles = (await plan(full)).map(titleOf);
  const parts = titles.filter((title) => title.startsWith("ops/layers of the family/"));
  expect(parts).toHaveLength(50);
  expect(new Set(parts).size).toBe(50);
  const shares = parts.map((_, part) => sweepTrials("full", { part, parts: 50 }).count);
  expect(shares.reduce((sum, count) => sum + count)).toBe(applications("full").length);
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  const without = await plan({ ...full, without: ["ops/layers of the family", "ops/by hand"] });
  expect(without.map(titleOf)).toEqual(["ops/special values", "ops/PyTorch's answers", "ops/random shapes"]);
  const one = await plan({ ...full, without: [parts[3]!] });
  expect(one).toHaveLength(titles.length - 1);
});

it("the full level names every model that has PyTorch's answers, and kinds that have none", async () => {
  const tasks = await plan({ level: "full", only: ["models"] });
  const recorded = new Set((await modelGoldenIds()).map(modelName));
  const names = (skipped: boolean) =>
    new Set(tasks.filter((task) => (task.skipped !== undefined) === skipped).map(({ name }) => name));
  expect(names(false)).toEqual(recorded);
  for (const kind of ["keras_resnet50v2", "resnet50_v1"]) expect(names(true)).toContain(kind);
});
