import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, tensor, UnsupportedError } from "@residual/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withConfiguration } from "./hugging-face.ts";
import { readWeights } from "./read-weights.ts";
import { Weights } from "./weights.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const plain = new Weights(new Map(Array.from("abcdefgh", (name) => [name, tensor([1], [1])])));
const configured = (config?: unknown, preprocessor?: unknown) =>
  withConfiguration(
    plain,
    config === undefined ? undefined : { file: "config.json", text: JSON.stringify(config) },
    preprocessor === undefined ? undefined : { file: "preprocessor_config.json", text: JSON.stringify(preprocessor) },
  );

/** The config.json of microsoft/resnet-50, without its 1,000 labels. */
const resnet50 = {
  architectures: ["ResNetForImageClassification"],
  depths: [3, 4, 6, 3],
  downsample_in_first_stage: false,
  embedding_size: 64,
  hidden_act: "relu",
  hidden_sizes: [256, 512, 1024, 2048],
  layer_type: "bottleneck",
  model_type: "resnet",
  num_channels: 3,
  torch_dtype: "float32",
  transformers_version: "4.18.0.dev0",
};

describe("transformers' config.json", () => {
  it.each<[object, string]>([
    [{}, "resnet50"],
    [{ downsample_in_bottleneck: true }, "resnet50_v1"],
    [{ num_channels: 1 }, "resnet50"],
    [{ depths: [2, 2, 2, 2], layer_type: "basic", hidden_sizes: [64, 128, 256, 512] }, "resnet18"],
    [{ depths: [2, 2, 2, 2] }, "resnet26"],
  ])("with %j is of %s", (changes, model) => {
    expect(configured({ ...resnet50, ...changes }).model).toBe(model);
  });

  it.each<[string | null, string | undefined]>([
    [null, undefined],
    ["single_label_classification", undefined],
    ["multi_label_classification", "sigmoid"],
    ["regression", "linear"],
  ])("with the problem_type %s says the activation %s", (problem, activation) => {
    expect(configured({ ...resnet50, problem_type: problem }).activation).toBe(activation);
  });

  it("with a problem_type that transformers does not have is refused", () => {
    expect(() => configured({ ...resnet50, problem_type: "captioning" })).toThrow(FormatError);
  });

  it("of a structure that has no name gives the structure", () => {
    const small = configured({ ...resnet50, depths: [1, 1], hidden_sizes: [32, 80], embedding_size: 8 });
    expect(small.model).toBeUndefined();
    expect(small.spec).toEqual({ block: "bottleneck", depths: [1, 1], width: [8, 20] });
    const stepping = configured({ ...resnet50, depths: [1, 2, 1, 1], downsample_in_first_stage: true });
    expect(stepping.spec).toEqual({ block: "bottleneck", depths: [1, 2, 1, 1], strides: [2, 2, 2, 2] });
  });

  it("of more blocks than the file has tensors is refused before a network is built", () => {
    const weights = configured({ ...resnet50, depths: [4, 5], hidden_sizes: [64, 64], layer_type: "basic" });
    expect(() => weights.spec).toThrow(FormatError);
    expect(() => weights.spec).toThrow("depths: found 9 blocks in all, expected at most one for each of the file's 8");
  });

  it.each<[object, string]>([
    [{ hidden_act: "gelu" }, "found hidden_act gelu"],
    [{ embedding_size: 32 }, "embedding_size 32"],
    [{ hidden_sizes: [30, 512, 1024, 2048] }, "hidden_sizes 30, 512, 1024, 2048"],
  ])("with %j is refused: no network here computes so", (changes, message) => {
    const refusal = () => configured({ ...resnet50, ...changes });
    expect(refusal).toThrow(UnsupportedError);
    expect(refusal).toThrow(message);
  });

  it("has a label for each class, if they are more than `LABEL_0` and so on", () => {
    const labels = (id2label: unknown) => configured({ ...resnet50, id2label }).labels;
    expect(labels({ 0: "cat", 1: "dog" })).toEqual(["cat", "dog"]);
    expect(labels({ 0: "LABEL_0", 1: "LABEL_1" })).toBeUndefined();
    expect(labels({})).toBeUndefined();
  });
});

describe("preprocessor_config.json", () => {
  const imagenet = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
  const convnext = { feature_extractor_type: "ConvNextFeatureExtractor", crop_pct: 0.875, resample: 3, ...imagenet };
  const expected = {
    resize: 256,
    crop: 224,
    interpolation: "bicubic",
    scale: 255,
    mean: imagenet.image_mean,
    std: imagenet.image_std,
  };

  it.each<[string, object, object]>([
    ["ConvNext's, of 2022", { ...convnext, size: 224 }, expected],
    ["ConvNext's", { ...convnext, size: { shortest_edge: 224 }, rescale_factor: 0.00392156862745098 }, expected],
    [
      "with a crop of its own",
      {
        image_processor_type: "BitImageProcessor",
        size: { shortest_edge: 232 },
        crop_size: { height: 224, width: 224 },
        resample: 2,
      },
      { ...expected, resize: 232, interpolation: "bilinear" },
    ],
    [
      "without a scale or mean",
      { ...convnext, size: 224, do_rescale: false, do_normalize: false },
      { ...expected, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
    ],
  ])("%s", (_, config, preprocessing) => {
    const weights = configured(undefined, config);
    expect([weights.preprocessing, weights.preprocessingSource]).toEqual([preprocessing, "weights"]);
  });

  const half = [0.5, 0.5, 0.5];
  const vit = { image_processor_type: "ViTImageProcessor", image_mean: half, image_std: half, rescale_factor: 1 / 255 };

  it.each<[string, object, object]>([
    [
      "ViT's",
      { ...vit, size: { height: 224, width: 224 }, resample: 2 },
      { resize: 224, crop: 224, interpolation: "bilinear", scale: 255, mean: half, std: half },
    ],
    ["an older ViT's", { ...vit, size: 160 }, { resize: 160, crop: 160, mean: half }],
    ["ConvNext's of 384", { ...convnext, size: 384 }, { resize: 384, crop: 384, mean: expected.mean }],
  ])("%s, which squashes pictures, gives what can be taken, with a note", (_, config, taken) => {
    const weights = configured(undefined, config);
    expect(weights.preprocessing).toMatchObject(taken);
    expect(weights.notes).toEqual([
      expect.stringMatching(/^preprocessor_config\.json squashes .* the middle is cut out; its filter, .* are taken$/),
    ]);
  });

  it("that makes oblong pictures is not taken, with a note", () => {
    const weights = configured(undefined, { ...vit, size: { height: 224, width: 320 } });
    expect(weights.preprocessing).toBeUndefined();
    expect(weights.notes).toEqual([expect.stringMatching(/^preprocessor_config\.json asks for pictures that are not/)]);
  });

  it.each<[string, object]>([
    ["do_resize: the boolean false", { ...convnext, size: 224, do_resize: false }],
    ["do_flip_channel_order: the boolean true", { size: 256, crop_size: 224, do_flip_channel_order: true }],
    ["do_pad: the boolean true", { ...convnext, size: 224, do_pad: true }],
    ["rescale_offset: the boolean true", { size: 256, crop_size: 224, rescale_offset: true }],
    ["crop_size: an object", { size: { shortest_edge: 256 }, crop_size: { height: 224, width: 192 } }],
    ["crop_size: the number 224", { size: { height: 256, width: 256 }, crop_size: 224 }],
    ["size: an object", { size: { shortest_edge: 256, longest_edge: 512 }, crop_size: 224 }],
    ["do_center_crop: the boolean false", { size: { shortest_edge: 256 }, do_center_crop: false }],
    ["crop_pct: the number 0.9", { image_processor_type: "PoolFormerImageProcessor", size: 224, crop_pct: 0.9 }],
  ])("with %s is put aside, with a note", (field, config) => {
    const { preprocessing, notes } = configured(undefined, config);
    expect(preprocessing).toBeUndefined();
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(`preprocessor_config.json has ${field}`);
    expect(notes[0]).toContain("nothing of its preprocessing is taken");
  });

  it.each<[string, object, object]>([
    // resized to int((256 / 224) · 224) pixels, as in models/levit/image_processing_levit.py
    ["Levit's", { image_processor_type: "LevitImageProcessor", size: 224, crop_size: 224 }, { resize: 256, crop: 224 }],
    // models/convnext/image_processing_convnext.py reads neither of the two
    ["ConvNext's, with a crop", { ...convnext, size: 224, crop_size: 192, do_center_crop: false }, { crop: 224 }],
    [
      "blue first, as it is",
      { size: 256, crop_size: 224, do_normalize: false, do_flip_channel_order: true },
      { resize: 256, crop: 224, channels: "bgr", mean: [0, 0, 0], std: [1, 1, 1] },
    ],
  ])("%s, is read as transformers reads it", (_, config, preprocessing) => {
    const weights = configured(undefined, config);
    expect(weights.preprocessing).toMatchObject(preprocessing);
    expect(weights.notes).toEqual([]);
  });

  it.each<[string, object]>([
    ["rescale_factor: found the number 0, expected a number above 0", { rescale_factor: 0 }],
    ["rescale_factor: found the number 1e+300, expected a number above 0", { rescale_factor: 1e300 }],
    ["image_std: found an array of 3 elements, expected 3 numbers above 0", { image_std: [0, 1, 1] }],
  ])("is refused by its own name: %s", (message, changes) => {
    const refusal = () => configured(undefined, { ...convnext, size: 224, ...changes });
    expect(refusal).toThrow(FormatError);
    expect(refusal).toThrow(`preprocessor_config.json: ${message}`);
  });
});

it("timm's config.json has the model, the recipe of its accuracy, and labels", () => {
  const weights = configured({
    architecture: "resnet50d",
    num_classes: 2,
    label_names: ["cat", "dog"],
    pretrained_cfg: {
      tag: "a1_in1k",
      input_size: [3, 224, 224],
      test_input_size: [3, 288, 288],
      crop_pct: 0.95,
      test_crop_pct: 1.0,
      interpolation: "bicubic",
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
  });
  expect([weights.model, weights.labels]).toEqual(["resnet50d", ["cat", "dog"]]);
  expect(weights.preprocessing).toMatchObject({
    resize: 288,
    crop: 288,
    interpolation: "bicubic",
    mean: [0.5, 0.5, 0.5],
  });
  const cropped = configured({
    architecture: "resnet18",
    pretrained_cfg: { input_size: [3, 224, 224], crop_pct: 0.95 },
  });
  expect(cropped.preprocessing).toMatchObject({ resize: 235, crop: 224, interpolation: "bilinear" });
});

describe("timm's config.json", () => {
  const timm = { architecture: "resnet18", num_classes: 10, global_pool: "avg" };

  it.each<[string, object]>([
    ["model_args.act_layer: found the string silu", { model_args: { act_layer: "silu" } }],
    ["model_args.output_stride: found the number 16", { model_args: { num_classes: 10, output_stride: 16 } }],
    ["model_args.global_pool: found the string max", { model_args: { global_pool: "max" } }],
    ["global_pool: found the string catavgmax", { global_pool: "catavgmax" }],
    ["model_args.__proto__: found", { model_args: JSON.parse('{"__proto__": 1}') as unknown }],
    ["model_args.avg_down: found null", { model_args: { avg_down: null } }],
  ])("with another network of the same tensors is refused: %s", (message, changes) => {
    expect(() => configured({ ...timm, ...changes })).toThrow(UnsupportedError);
    expect(() => configured({ ...timm, ...changes })).toThrow(`config.json: ${message}`);
  });

  it.each<[string, object]>([
    ["pretrained_cfg.crop_mode: the string squash", { input_size: [3, 224, 224], crop_mode: "squash" }],
    ["pretrained_cfg.crop_mode: the string border", { input_size: [3, 224, 224], crop_mode: "border" }],
    ["pretrained_cfg.input_size: an array", { input_size: [3, 192, 320] }],
    ["pretrained_cfg.test_input_size: an array", { input_size: [3, 224, 224], test_input_size: [3, 224, 288] }],
    ["pretrained_cfg.input_size: an array", { input_size: [1, 28, 28], mean: [0.5], std: [0.5] }],
  ])("with %s has its preprocessing put aside, with a note", (field, recipe) => {
    const { model, preprocessing, notes } = configured({ ...timm, pretrained_cfg: recipe });
    expect([model, preprocessing]).toEqual(["resnet18", undefined]);
    expect(notes).toEqual([expect.stringContaining(`config.json has ${field}`)]);
  });

  it("has arguments that change nothing", () => {
    const args = { num_classes: 10, in_chans: 1, drop_rate: 0.1, output_stride: 32, global_pool: "avg" };
    expect(configured({ ...timm, model_args: args }).model).toBe("resnet18");
    expect(configured({ ...timm, model_args: null }).model).toBe("resnet18");
  });
});

it.each<[string, unknown]>([
  [
    "config.json: depths: found an array of 1 elements, expected whole numbers from 1",
    { model_type: "resnet", depths: [0] },
  ],
  [
    "config.json: hidden_sizes: found an array of 1 elements, expected 2 numbers, as depths has",
    { model_type: "resnet", depths: [1, 1], hidden_sizes: [64] },
  ],
  [
    "config.json: layer_type: found the string wide, expected basic or bottleneck",
    { model_type: "resnet", layer_type: "wide" },
  ],
  [
    "config.json: id2label.1: found undefined, expected a label, as each index from 0 on has one",
    { model_type: "resnet", id2label: { 0: "a", 2: "c" } },
  ],
  ["config.json: id2label: found the number 5, expected an object", { model_type: "resnet", id2label: 5 }],
  ["config.json: found an array of 0 elements, expected an object", []],
  [
    "config.json: pretrained_cfg.crop_pct: found the number 7, expected a number up to 1",
    { architecture: "resnet18", pretrained_cfg: { input_size: [3, 224, 224], crop_pct: 7 } },
  ],
])("%s", (message, config) => {
  expect(() => configured(config)).toThrow(FormatError);
  expect(() => configured(config)).toThrow(message);
});

it("a configuration of something else is passed over", () => {
  expect(configured({ model_type: "vit" }).metadata).toEqual({});
});

it("any configuration is read, or refused with an error of ours", () => {
  const words = fc.constantFrom("resnet", "basic", "relu", "resnet50", "ConvNextImageProcessor", "LABEL_0");
  const value = fc.oneof(
    words,
    fc.nat(400),
    fc.double(),
    fc.boolean(),
    fc.array(fc.nat(300), { maxLength: 4 }),
    fc.anything(),
  );
  const fields = [
    "model_type",
    "depths",
    "hidden_sizes",
    "layer_type",
    "id2label",
    "architecture",
    "pretrained_cfg",
    "size",
    "crop_size",
    "crop_pct",
    "resample",
    "image_mean",
    "image_processor_type",
    "rescale_factor",
  ];
  const config = fc.dictionary(fc.constantFrom(...fields), value);
  fc.assert(
    fc.property(config, config, (first, second) => {
      try {
        const weights = configured({ model_type: "resnet", ...first }, second);
        void weights.labels;
      } catch (error) {
        if (error instanceof TypeError && /BigInt|circular/.test(error.message)) return; // JSON has no such values
        expect([FormatError, UnsupportedError].some((kind) => error instanceof kind)).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

describe("a folder of the hub's", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "residual-"));
    await writeSafetensors(join(folder, "model.safetensors"), plain.tensors, { model: "resnet18" });
    await writeFile(join(folder, "config.json"), JSON.stringify({ ...resnet50, id2label: { 0: "cat" } }));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("and its file give the same: what the file says comes first", async () => {
    for (const path of [folder, join(folder, "model.safetensors")]) {
      const { model, labels } = await readWeights(path);
      expect([model, labels]).toEqual(["resnet18", ["cat"]]);
    }
  });

  it("with a damaged configuration is an error that names it", async () => {
    await writeFile(join(folder, "preprocessor_config.json"), "<html>");
    await expect(readWeights(folder)).rejects.toThrow(/preprocessor_config\.json: found text that is not JSON/);
    await writeFile(join(folder, "preprocessor_config.json"), "[".repeat(500_000));
    await expect(readWeights(folder)).rejects.toThrow(/preprocessor_config\.json: found JSON nested more than 64 deep/);
    await expect(readWeights(folder)).rejects.toThrow(FormatError);
  });
});
