import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FormatError, modelNameOf, type ResNetSpec, type Tensor, tensorOf, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { encodeSafetensors } from "./encode-safetensors.ts";
import { bestWeightsFor, namedAs } from "./known/names.ts";
import { knownByName, knownWeights, shippedWeights } from "./known.ts";
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
  readonly bytes?: number | null;
  readonly bytes_about?: number;
  readonly sha256?: string | Readonly<Record<string, string>> | null;
  readonly sha256_prefix?: string | null;
  readonly md5?: string;
  readonly acc1?: number | null;
  readonly license?: string | null;
  readonly params_millions?: number;
  readonly resize: number | null;
  readonly crop: number;
  readonly interpolation: string;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly scale?: number;
  /** The settings for plain inference, if the accuracy was measured on larger images. */
  readonly default?: { readonly resize: number; readonly crop: number };
}

const table = sharedPath("data/known/known-weights.json");
const published = table && (JSON.parse(await readFile(table, "utf8")) as { weights: readonly PublishedRow[] }).weights;

const known = await knownWeights();

it("has no name twice", () => {
  expect(new Set(known.map(({ name }) => name)).size).toBe(known.length);
});

it("the weights that ship are there, unchanged, and say which model they are for", async () => {
  const { url, bytes, sha256, model, license } = shippedWeights;
  const file = await readFile(new URL(url));
  expect(file).toHaveLength(bytes!);
  expect(createHash("sha256").update(file).digest("hex")).toBe(sha256);
  const { tensors, metadata } = await readWeights(url);
  expect(metadata).toMatchObject({ model, license });
  expect(tensors.get("fc.weight")?.shape).toEqual([10, 64]);
});

it.skipIf(!published)("has every published file, with its address, size, hash, recipe, accuracy and licence", () => {
  const rows = published as readonly PublishedRow[];
  expect(known.map(({ name }) => name)).toEqual(["resnet20-cifar10", ...rows.map(({ name }) => name)]);
  for (const row of rows) {
    const found = known.find(({ name }) => name === row.name)!;
    expect(found.url, row.name).toBe(row.url);
    expect(found.bytes, row.name).toBe(row.bytes ?? undefined);
    expect(found.top1, row.name).toBe(row.acc1 ?? undefined);
    expect(found.md5, row.name).toBe(row.md5);
    expect(found.license?.toLowerCase(), row.name).toBe(row.license?.toLowerCase());
    const sha256 = typeof row.sha256 === "string" ? row.sha256 : row.sha256_prefix;
    expect(found.sha256, row.name).toBe(sha256 ?? undefined);
    if (row.bytes_about) expect(found.bytesAbout! / (row.bytes ?? row.bytes_about), row.name).toBeCloseTo(1, 4);
    if (row.params_millions) expect(found.bytesAbout! / 4e6 / row.params_millions, row.name).toBeCloseTo(1, 1);
    const { resize, crop, interpolation, mean, std, scale = 255 } = row;
    if (resize) expect(found.preprocessing, row.name).toEqual({ resize, crop, interpolation, mean, std, scale });
    else if (found.preprocessing) expect(found.preprocessing, row.name).toMatchObject({ crop, mean, std, scale });
  }
});

describe("names", () => {
  const nameOf = async (text: string) => {
    const named = await namedAs(text);
    return named && "known" in named ? named.known.name : named?.repository;
  };

  it.each([
    ["torchvision/resnet50.v1", "torchvision/resnet50.v1"],
    ["timm/resnet50.a1_in1k", "timm/resnet50.a1_in1k"],
    ["microsoft/resnet-50", "microsoft/resnet-50"],
    ["resnet20-cifar10", "resnet20-cifar10"],
    ["resnet50", "torchvision/resnet50.v2"],
    ["resnet18", "torchvision/resnet18.v1"],
    ["hf:microsoft/resnet-50", { owner: "microsoft", name: "resnet-50", revision: "main" }],
    ["hf:me/my_net.v2@refs/pr/1", { owner: "me", name: "my_net.v2", revision: "refs/pr/1" }],
    ["resnet51", undefined],
    ["microsoft/resnet-51", undefined],
    ["constructor", undefined],
  ])("%s", async (text, expected) => expect(await nameOf(text)).toEqual(expected));

  it.each(["hf:", "hf:resnet", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@../../etc", "hf:a/b@", "hf:a b/c"])(
    "%s is refused",
    async (text) => {
      await expect(namedAs(text)).rejects.toThrow(/expected hf:owner\/name/);
    },
  );

  it("of weights that cannot be used are refused, with the reason and others", async () => {
    await expect(namedAs("torchvision/resnet50.fbgemm-v2")).rejects.toThrow(
      /^torchvision\/resnet50.fbgemm-v2: weights of resnet50, but they are quantized to 8 bits; take torchvision\/resnet50.v1$/,
    );
  });

  it("a model's plain name is torchvision's best, else the best there is", async () => {
    for (const model of new Set(known.filter(({ refused }) => !refused).map((each) => each.model))) {
      const best = (await bestWeightsFor(model))!;
      const rivals = known.filter((each) => each.model === model && !each.refused);
      const torchvision = rivals.filter(({ name }) => name.startsWith("torchvision/"));
      const among = torchvision.length > 0 ? torchvision : rivals;
      expect(among, model).toContain(best);
      expect(Math.max(...among.map(({ top1 = 0 }) => top1)), model).toBe(best.top1 ?? 0);
    }
  });
});

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

it.skipIf(!akamaster)("akamaster's larger files are known by their name, which is a guess", async () => {
  expect(await knownByName("weights/resnet110-1d1ed7c2.safetensors")).toMatchObject({
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
  ])("%s", async (path, model, resize, crop, interpolation) => {
    const preprocessing = { resize, crop, interpolation, scale: 255 };
    expect(await knownByName(path)).toMatchObject({ model, preprocessing, source: "file name" });
  });

  it.skipIf(!published)("knows torchvision's and timm's weights of our models as they were evaluated", async () => {
    const rows = (published as readonly PublishedRow[]).filter(
      ({ in_residual: ours, family }) => ours === true && /^(torchvision|timm)$/.test(family),
    );
    expect(rows).toHaveLength(107);
    for (const { name, model, url, family, resize, crop, interpolation, mean, std, scale } of rows) {
      const path = family === "timm" ? `${name}/model.safetensors` : url;
      const preprocessing = { resize, crop, interpolation, scale, mean, std };
      expect(await knownByName(path), name).toMatchObject({ model, preprocessing, source: "file name" });
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

  it.each(["resnet50.safetensors", "resnet50.a1_in1k/checkpoint.safetensors", "constructor.safetensors", "", "/"])(
    "knows nothing of %j",
    async (path) => expect(await knownByName(path)).toBeUndefined(),
  );

  it("every published file of a model that is here is known by its name", async () => {
    for (const { name, url, model, preprocessing } of known.slice(1)) {
      const isHere = modelNameOf(model) !== undefined;
      const path = /\/model\.\w+$/.test(url) ? `${name}/model.safetensors` : url;
      expect(await knownByName(path), name).toEqual(
        isHere ? expect.objectContaining({ model, preprocessing }) : undefined,
      );
    }
  });

  it("knows files of models that are not here as little", async () => {
    expect(await knownByName("timm/resnetblur50.bt_in1k/model.safetensors")).toBeUndefined();
  });
});
