import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { knownMetadata, knownWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";

const sha256: Readonly<Record<string, string>> = {
  "resnet20-cifar10": "bcd55502062f03e3d7ea9df362e9f46f962e05abad5b2a0ce2b2e2cfa2a538b1",
};

it("has no name twice", () => {
  expect(new Set(knownWeights.map(({ name }) => name)).size).toBe(knownWeights.length);
});

it.each(knownWeights)(
  "$name is there, unchanged, and says which model it is for",
  async ({ name, model, license, file }) => {
    expect(
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
    ).toBe(sha256[name]);
    const { tensors, metadata } = await readWeights(file);
    expect(metadata).toMatchObject({ model, license });
    expect(tensors.get("fc.weight")?.shape).toEqual([10, 64]);
  },
);

describe("knownMetadata", () => {
  it("knows akamaster's files by their name, with their colours", () => {
    const { model, preprocessing } = knownMetadata("weights/cifar-resnet/resnet32-d509ac18.safetensors");
    expect(model).toBe("cifar_resnet32");
    expect(JSON.parse(preprocessing!)).toMatchObject({ crop: 32, scale: 255, mean: [0.485, 0.456, 0.406] });
  });

  it("knows MLPerf Tiny's raw bytes", () => {
    expect(JSON.parse(knownMetadata("pretrainedResnet.safetensors").preprocessing!)).toMatchObject({
      scale: 1,
      mean: [0, 0, 0],
    });
  });

  it("knows nothing of the rest", () => {
    expect(knownMetadata("resnet50.safetensors")).toEqual({});
  });
});
