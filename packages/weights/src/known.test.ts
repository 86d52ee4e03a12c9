import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FormatError, type ResNetSpec, type Tensor, tensorOf, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { encodeSafetensors } from "./encode-safetensors.ts";
import { knownByName, knownWeights } from "./known.ts";
import { readWeights } from "./read-weights.ts";
import { join } from "./testing/bytes.ts";
import { sharedPath } from "./testing/shared.ts";
import { readTensors, Weights } from "./weights.ts";

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

const akamaster = sharedPath("data/weights/cifar-resnet/resnet20-12fca82f.safetensors");
const mlperf = sharedPath("data/weights/mlperf-tiny-resnet8/pretrainedResnet.safetensors");
const asImagenet = { crop: 32, scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

describe("weights that are known by their numbers", () => {
  const bytesUnder = async (file: string, change: (name: string, tensor: Tensor) => [string, Tensor]) => {
    const { tensors } = await readTensors(await readWeights(file));
    const changed = [...tensors].map(([name, tensor]) => change(name, tensor));
    return join(encodeSafetensors(new Map(changed.toReversed())));
  };

  it.skipIf(!akamaster)("whatever their file, their tensors and the order of them are called", async () => {
    const bytes = await bytesUnder(akamaster!, (name, tensor) => [`module.${name.replace("linear", "fc")}`, tensor]);
    for (const weights of [await readWeights(bytes), await readWeights(await readFile(akamaster!))]) {
      expect(weights.model).toBe("cifar_resnet20");
      expect(weights.preprocessing).toMatchObject(asImagenet);
      expect(weights.preprocessingSource).toBe("known weights");
    }
  });

  it.skipIf(!akamaster)("in bfloat16 too", async () => {
    const rounded = ({ shape, data }: Tensor) =>
      tensorOf(
        "float32",
        shape,
        new Float32Array(
          new Uint32Array((data as Float32Array).slice().buffer).map((bits) => bits & 0xffff0000).buffer,
        ),
      );
    const bytes = await bytesUnder(akamaster!, (name, tensor) => [name, rounded(tensor)]);
    expect((await readWeights(bytes)).model).toBe("cifar_resnet20");
  });

  it.skipIf(!mlperf)("MLPerf Tiny's, which reads bytes as they are", async () => {
    const { model, preprocessing } = await readWeights(await readFile(mlperf!));
    expect([model, preprocessing]).toMatchObject(["mlperf_tiny_resnet8", { scale: 1, mean: [0, 0, 0] }]);
  });

  it.skipIf(!akamaster)("but not once they were trained further, nor where the file says another model", async () => {
    const trained = await bytesUnder(akamaster!, (name, tensor) =>
      name === "linear.bias"
        ? [
            name,
            tensorOf(
              "float32",
              [10],
              (tensor.data as Float32Array).map((x) => x + 0.01),
            ),
          ]
        : [name, tensor],
    );
    expect(await readWeights(trained)).toMatchObject({ model: undefined, preprocessing: undefined });
    const { tensors } = await readWeights(await readFile(akamaster!));
    expect(new Weights(tensors, { model: "resnet18" })).toMatchObject({ model: "resnet18", preprocessing: undefined });
  });
});

describe("weights that say of themselves", () => {
  const preprocessing = variants.cifar_resnet20.preprocessing;
  const none = new Map<string, Tensor>();

  it("have their model, preprocessing and labels as values", () => {
    const weights = new Weights(none, {
      model: "resnet18",
      preprocessing: JSON.stringify(preprocessing),
      classes: JSON.stringify(["cat", "dog"]),
    });
    expect(weights).toMatchObject({ model: "resnet18", preprocessing, labels: ["cat", "dog"] });
    expect(weights.preprocessingSource).toBe("weights");
    const others = weights.withTensors(none, ["a note"]);
    expect(others).toMatchObject({ preprocessing, labels: ["cat", "dog"], notes: ["a note"] });
  });

  it("say nothing where they do not, and refuse what is malformed", () => {
    expect(new Weights(none)).toMatchObject({ model: undefined, preprocessing: undefined, labels: undefined });
    for (const classes of ["{", "3", "[1, 2]", `["cat", " "]`])
      expect(new Weights(none, { classes }).labels).toBeUndefined();
    expect(() => new Weights(none, { preprocessing: "{" }).preprocessing).toThrow(FormatError);
  });
});

it.skipIf(!akamaster)("akamaster's larger files are known by their name, which is a guess", () => {
  expect(knownByName("weights/resnet110-1d1ed7c2.safetensors")).toMatchObject({
    model: "cifar_resnet110",
    preprocessing: asImagenet,
    source: "file name",
  });
});

describe("published files that are known by their name", () => {
  it.each([
    ["resnet50-0676ba61.safetensors", "resnet50", 256, 224, "bilinear"],
    ["downloads/resnet50-11ad3fa6.pth", "resnet50", 232, 224, "bilinear"],
    ["resnext101_64x4d-173b62eb.safetensors", "resnext101_64x4d", 232, 224, "bilinear"],
    ["resnet50.a1_in1k.safetensors", "resnet50", 288, 288, "bicubic"],
    ["resnet50d_ra2-464e36ba.pth", "resnet50d", 303, 288, "bicubic"],
    ["timm/seresnet50.a3_in1k/model.safetensors", "seresnet50", 235, 224, "bicubic"],
    ["hub/models--timm--resnet10t.c3_in1k/snapshots/4c3f/model.safetensors", "resnet10t", 235, 224, "bicubic"],
  ])("%s", (path, model, resize, crop, interpolation) => {
    const preprocessing = { resize, crop, interpolation, scale: 255 };
    expect(knownByName(path)).toMatchObject({ model, preprocessing, source: "file name" });
  });

  it.skipIf(!published)("knows torchvision's and timm's weights of our models as they were evaluated", () => {
    const rows = (published as readonly PublishedRow[]).filter(
      ({ in_residual: ours, family }) => ours === true && /^(torchvision|timm)$/.test(family),
    );
    expect(rows).toHaveLength(107);
    for (const { name, model, url, family, resize, crop, interpolation, mean, std, scale } of rows) {
      const path = family === "timm" ? `${name}/model.safetensors` : url;
      const preprocessing = { resize, crop, interpolation, scale, mean, std };
      expect(knownByName(path), name).toEqual({ model, preprocessing, source: "file name" });
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
    expect(knownByName("resnet50.safetensors")).toBeUndefined();
    expect(knownByName("resnet50.a1_in1k/checkpoint.safetensors")).toBeUndefined();
    expect(knownByName("constructor.safetensors")).toBeUndefined();
  });
});
