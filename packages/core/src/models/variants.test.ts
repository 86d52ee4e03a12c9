import { describe, expect, it } from "vitest";
import { resnet } from "./resnet.ts";
import type { ResNetSpec } from "./spec.ts";
import { modelNameOf, modelNames, variants } from "./variants.ts";

const rows = Object.entries<ResNetSpec>(variants);

describe("a row is whole", () => {
  it.each(rows)("%s: what reads pictures says how they become its input", (_, { inputChannels = 3, preprocessing }) => {
    expect(preprocessing !== undefined).toBe(inputChannels === 3);
  });

  it.each(rows.filter(([, { preprocessing }]) => preprocessing))(
    "%s: pictures become images of the size that it is built for",
    (name, { size = 224, preprocessing }) => {
      const recommended = name === "resnet200d" ? 256 : size; // timm's weights for it were trained on larger images
      expect(preprocessing!.crop).toBe(recommended);
      expect(preprocessing!.resize).toBeGreaterThanOrEqual(preprocessing!.crop);
    },
  );

  it("a row of an outsider is as whole, and is checked by the compiler", () => {
    const preprocessing = { ...variants.resnet50.preprocessing, resize: 73, crop: 64 };
    const graph = resnet({ block: "basic", depths: [1], size: 64, preprocessing, classes: 2, labels: ["cat", "dog"] });
    expect(graph.inputs.image.shape).toEqual(["N", 3, 64, 64]);
    expect(graph.outputs.logits.shape).toEqual(["N", 2]);
  });
});

/** Source: the names of PyTorch's recorded answers, conformance/golden. */
describe.each([
  ["seed000_block_s2", "paddle_unit_s2"],
  ["seed000_sequential", "paddle_unit_sequential"],
  ["seed002_keras", "keras_tutorial_resnet"],
  ["seed003_block", "pytorch_unit"],
  ["seed004_net", "pytorch_tutorial_net"],
] as const)("%s is understood as %s", (alias, name) => {
  it("and listed nowhere", () => {
    expect(modelNameOf(alias)).toBe(name);
    expect((variants as Readonly<Record<string, ResNetSpec>>)[alias]).toBe(variants[name]);
    expect(modelNames).not.toContain(alias);
    expect(resnet(variants[name]).name).toBe(name);
  });
});

it("knows no name that is not in the table", () => {
  expect(modelNameOf("resnet50")).toBe("resnet50");
  for (const name of ["resnet51", "toString", "", "__proto__"]) expect(modelNameOf(name)).toBeUndefined();
});
