import type { ModelName } from "@residual/core";
import { expect, it } from "vitest";
import { modelGoldenIds, modelName } from "./goldens.ts";
import { plan } from "./plan.ts";

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

it("the full level names every model that has PyTorch's answers, and kinds that have none", async () => {
  const tasks = await plan({ level: "full", only: ["models"] });
  const recorded = new Set((await modelGoldenIds()).map(modelName));
  const names = (skipped: boolean) =>
    new Set(tasks.filter((task) => (task.skipped !== undefined) === skipped).map(({ name }) => name));
  expect(names(false)).toEqual(recorded);
  for (const kind of ["keras_resnet50v2", "resnet50_v1"]) expect(names(true)).toContain(kind);
});
