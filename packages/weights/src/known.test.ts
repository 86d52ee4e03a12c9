import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ResNetSpec, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { knownMetadata, knownWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";
import { sharedPath } from "./testing/shared.ts";

interface PublishedRow {
  readonly name: string;
  readonly model: string;
  readonly in_residual: boolean | string;
  readonly family: string;
  readonly url: string;
  readonly resize: number;
  readonly crop: number;
  readonly interpolation: string;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly scale: number;
  /** Of plain inference, where the accuracy is given for larger images. */
  readonly default?: { readonly resize: number; readonly crop: number };
}

const table = sharedPath("data/known/known-weights.json");
const published = table && (JSON.parse(await readFile(table, "utf8")) as { weights: readonly PublishedRow[] }).weights;

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

  it.each([
    ["resnet50-0676ba61.safetensors", "resnet50", 256, 224, "bilinear"],
    ["downloads/resnet50-11ad3fa6.pth", "resnet50", 232, 224, "bilinear"],
    ["resnext101_64x4d-173b62eb.safetensors", "resnext101_64x4d", 232, 224, "bilinear"],
    ["resnet50.a1_in1k.safetensors", "resnet50", 288, 288, "bicubic"],
    ["resnet50d_ra2-464e36ba.pth", "resnet50d", 303, 288, "bicubic"],
    ["timm/seresnet50.a3_in1k/model.safetensors", "seresnet50", 235, 224, "bicubic"],
    ["hub/models--timm--resnet10t.c3_in1k/snapshots/4c3f/model.safetensors", "resnet10t", 235, 224, "bicubic"],
  ])("knows %s by its name", (path, model, resize, crop, interpolation) => {
    const known = knownMetadata(path);
    expect(known.model).toBe(model);
    expect(JSON.parse(known.preprocessing!)).toMatchObject({ resize, crop, interpolation, scale: 255 });
  });

  it.skipIf(!published)("knows torchvision's and timm's weights of our models as they were evaluated", () => {
    const rows = (published as readonly PublishedRow[]).filter(
      ({ in_residual: ours, family }) => ours === true && /^(torchvision|timm)$/.test(family),
    );
    expect(rows).toHaveLength(107);
    for (const { name, model, url, family, resize, crop, interpolation, mean, std, scale } of rows) {
      const path = family === "timm" ? `${name}/model.safetensors` : url;
      const { preprocessing, ...known } = knownMetadata(path);
      expect([known, JSON.parse(preprocessing!)], name).toEqual([
        { model },
        { resize, crop, interpolation, scale, mean, std },
      ]);
    }
  });

  it.skipIf(!published)("a model's row has the recipe of its weights: torchvision's V1, else one of timm's", () => {
    for (const [name, { preprocessing }] of Object.entries<ResNetSpec>(variants)) {
      const rows = (published as readonly PublishedRow[]).filter(
        ({ model, in_residual: ours }) => model === name && ours === true,
      );
      const first = rows.filter((row) => row.name === `torchvision/${name}.v1`);
      const timms = rows.filter(({ family }) => family === "timm").flatMap((row) => [row, { ...row, ...row.default }]);
      const recipes = (first.length > 0 ? first : timms).map(({ resize, crop, interpolation, scale, mean, std }) => ({
        resize,
        crop,
        interpolation,
        scale,
        mean,
        std,
      }));
      if (recipes.length > 0) expect(recipes, name).toContainEqual(preprocessing);
    }
  });

  it("knows nothing of the rest", () => {
    expect(knownMetadata("resnet50.safetensors")).toEqual({});
    expect(knownMetadata("resnet50.a1_in1k/checkpoint.safetensors")).toEqual({});
    expect(knownMetadata("constructor.safetensors")).toEqual({});
  });
});
