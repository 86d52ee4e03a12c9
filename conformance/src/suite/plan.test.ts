import { type ModelName, modelNames } from "@residual/core";
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

it("every model has answers of PyTorch", async () => {
  const recorded = new Set((await modelGoldenIds()).map(modelName));
  expect([...recorded].sort()).toEqual([...modelNames].sort());
});

it("the layers of the family are many sections of one name in the full level, and share out all layers", async () => {
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

it("the full level runs every model, but for the two largest, which it names", async () => {
  const tasks = await plan({ level: "full", only: ["models"] });
  const names = (skipped: boolean) => [
    ...new Set(tasks.filter((task) => (task.skipped !== undefined) === skipped).map(({ name }) => name)),
  ];
  expect(names(true)).toEqual(["resnext101_32x32d", "resnext101_32x48d"]);
  expect([...names(false), ...names(true)].sort()).toEqual([...modelNames].sort());
});

it("the largest model is run where it is named", async () => {
  const tasks = await plan({ level: "full", models: ["resnext101_32x48d"], only: ["models"] });
  expect(tasks.map(({ name, skipped }) => [name, skipped])).toEqual([["resnext101_32x48d", undefined]]);
});
