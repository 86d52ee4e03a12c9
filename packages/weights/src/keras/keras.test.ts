import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, resnet, UnsupportedError, variants } from "@residual/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readWeights } from "../read-weights.ts";
import { toTorchvision } from "../schemes.ts";
import { bitsOf } from "../testing/bits.ts";
import { sharedPath } from "../testing/shared.ts";

const fixtures = new URL("fixtures/", import.meta.url);
const read = (name: string) => readWeights(new URL(name, fixtures));

describe("what Keras and h5py wrote (fixtures/make.py)", () => {
  it.each([
    ["tf-model.h5", "tf"],
    ["tf-weights.h5", "tf"],
    ["keras3-model.h5", "keras3"],
    ["keras3.keras", "keras3"],
    ["deflated.keras", "keras3"],
    ["nested-tf.h5", "nested-tf.h5"],
    ["nested.keras", "nested.keras"],
    ["split.h5", "split"],
    ["storage.h5", "storage"],
    ["newest.h5", "newest"],
    ["bfloat16.weights.h5", "bfloat16"],
  ])("%s has the bits and names that Keras' own variables have", async (name, tensors) => {
    const expected = await bitsOf(await read(`${tensors}.safetensors`));
    expect(await bitsOf(await read(name))).toEqual(expected);
    expect(await bitsOf(await readWeights(await readFile(new URL(name, fixtures))))).toEqual(expected);
  });

  it("keras3.weights.h5 has their bits, by its paths", async () => {
    const names = new Map(
      Object.entries({
        "layers/conv2d/vars/0": "stem/kernel",
        "layers/batch_normalization/vars/0": "stem_bn/gamma",
        "layers/batch_normalization/vars/1": "stem_bn/beta",
        "layers/batch_normalization/vars/2": "stem_bn/moving_mean",
        "layers/batch_normalization/vars/3": "stem_bn/moving_variance",
        "layers/conv2d_1/vars/0": "block_1_conv/kernel",
        "layers/conv2d_1/vars/1": "block_1_conv/bias",
        "layers/batch_normalization_1/vars/0": "block_1_bn/beta",
        "layers/batch_normalization_1/vars/1": "block_1_bn/moving_mean",
        "layers/batch_normalization_1/vars/2": "block_1_bn/moving_variance",
        "layers/dense/vars/0": "predictions/kernel",
        "layers/dense/vars/1": "predictions/bias",
      }),
    );
    const found = await bitsOf(await read("keras3.weights.h5"));
    const expected = await bitsOf(await read("keras3.safetensors"));
    expect(new Set(found.keys())).toEqual(new Set(names.keys()));
    for (const [path, name] of names) expect([path, found.get(path)]).toEqual([path, expected.get(name)]);
  });

  it.each(["tf-model.h5", "keras3-model.h5", "keras3.keras"])(
    "%s: tensors come in the order of the layers",
    async (name) => {
      const { tensors } = await read(name);
      expect([...tensors.keys()]).toEqual([
        "stem/kernel",
        "stem_bn/gamma",
        "stem_bn/beta",
        "stem_bn/moving_mean",
        "stem_bn/moving_variance",
        "block_1_conv/kernel",
        "block_1_conv/bias",
        "block_1_bn/beta",
        "block_1_bn/moving_mean",
        "block_1_bn/moving_variance",
        "predictions/kernel",
        "predictions/bias",
      ]);
    },
  );

  it.each([
    ["tf-model.h5", "2.21.0"],
    ["keras3-model.h5", "3.15.1"],
    ["keras3.keras", "3.15.1"],
  ])("%s tells its version and its model's configuration", async (name, version) => {
    const { metadata } = await read(name);
    expect(metadata["keras.version"]).toBe(version);
    const { config } = JSON.parse(metadata["keras.config"]!) as {
      config: { name: string; layers: { config: { name: string; epsilon?: number } }[] };
    };
    expect(config.name).toBe("net");
    expect(config.layers.find((layer) => layer.config.name === "stem_bn")?.config.epsilon).toBe(1.001e-5);
  });

  it.each([
    ["tf-weights.h5", []],
    ["keras3-model.h5", ["left out the optimizer's numbers"]],
    ["keras3.keras", ["left out the optimizer's numbers"]],
    ["keras3.weights.h5", ["left out the optimizer's numbers"]],
    ["storage.h5", ['left out what holds no numbers: "words"']],
  ])("%s: what is left out is told", async (name, notes) => {
    expect((await read(name)).notes).toEqual(notes);
  });

  it.each<[string, typeof FormatError | typeof UnsupportedError, RegExp]>([
    ["newest-large.h5", UnsupportedError, /newest HDF5 alone; write it again as Keras does, by h5py\.File/],
    [
      "newest-chunks.h5",
      UnsupportedError,
      /its chunks are listed as the newest HDF5 does, .*; save .* or repack it: h5repack/,
    ],
    ["lzf.h5", UnsupportedError, /went through filter 32000, expected deflate or shuffle/],
    ["external.h5", UnsupportedError, /its numbers lie in other files/],
    ["bomb.h5", UnsupportedError, /take 16777216 bytes or more once unpacked/],
    ["unwritten.h5", FormatError, /"weights" was never written/],
    ["shared.h5", FormatError, /"a" has two names, or lies in itself/],
    ["loop.h5", FormatError, /"layers\/conv2d\/again" has two names, or lies in itself/],
    ["deep.h5", FormatError, /its groups are more than 32 deep/],
  ])("%s is refused", async (name, kind, message) => {
    const reading = read(name);
    await expect(reading).rejects.toThrow(kind);
    await expect(reading).rejects.toThrow(message);
  });
});

const published = sharedPath("data/weights/mlperf-tiny-resnet8");
describe.skipIf(!published)("MLPerf Tiny's ResNet-8, by Keras 2.4", () => {
  it("has the model's names, and the bits of its safetensors", async () => {
    const weights = await readWeights(join(published!, "pretrainedResnet.h5"));
    const graph = resnet(variants.mlperf_tiny_resnet8, { name: "mlperf_tiny_resnet8" });
    const named = toTorchvision(await readWeights(join(published!, "pretrainedResnet.safetensors")), graph);
    expect(await bitsOf(weights)).toEqual(await bitsOf(named));
    expect(weights.model).toBe("mlperf_tiny_resnet8");
    expect(weights.metadata["keras.version"]).toBe("2.4.0");
    expect(weights.notes).toEqual(["left out the optimizer's numbers"]);
  });
});

describe("an incomplete file", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "residual-keras-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("is refused wherever it is cut off", async () => {
    for (const name of ["tf-model.h5", "keras3.weights.h5", "keras3.keras"]) {
      const bytes = await readFile(new URL(name, fixtures));
      for (let length = 9; length < bytes.length; length += 997) {
        const path = join(folder, "cut");
        await writeFile(path, bytes.subarray(0, length));
        await expect(readWeights(path)).rejects.toThrow(FormatError);
      }
    }
  });
});
