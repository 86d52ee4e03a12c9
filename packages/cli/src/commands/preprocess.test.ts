import { readFileSync } from "node:fs";
import { readTensors, readWeights } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { visionFile } from "../testing/golden.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

/** Pillow's crop, and some of torchvision's float32 values. */
interface Case {
  readonly image: string;
  readonly variant: string;
  readonly expected: string;
  readonly probes: readonly { readonly x: number; readonly y: number; readonly normalized: readonly number[] }[];
}

const { cases } = JSON.parse(readFileSync(visionFile("manifest.json"), "utf8")) as { cases: readonly Case[] };
const folder = temporaryFolder();

const imagenet = [
  "--resize",
  "256",
  "--crop",
  "224",
  "--interpolation",
  "bilinear",
  "--scale",
  "255",
  "--mean",
  "0.485,0.456,0.406",
  "--std",
  "0.229,0.224,0.225",
];

describe("bit for bit as Pillow and torchvision", () => {
  it.each([
    { expected: "expected/photo-523x391.crop224.bin", words: ["--model", "resnet50"] },
    { expected: "expected/photo-523x391.crop224.bin", words: imagenet },
    { expected: "expected/jpeg420-exif6-360x270.crop224.bin", words: ["--model", "resnet50"] },
    { expected: "expected/jpeg420-exif6-360x270.upright.crop224.bin", words: [...imagenet, "--upright"] },
    { expected: "expected/gray16-280x260.highbyte.crop224.bin", words: ["--model", "resnet50"] },
  ])("$expected with $words", async ({ expected, words }) => {
    const { image: file, probes } = cases.find((each) => each.expected === expected)!;
    const out = folder.in("out.safetensors");
    await succeed(["preprocess", visionFile(file), "--out", out, ...words]);
    const { tensors } = await readTensors(await readWeights(out));
    expect([...tensors.keys()].toSorted()).toEqual(["image", "pixels"]);
    const [pixels, image] = [tensors.get("pixels")!, tensors.get("image")!];
    expect([pixels.dtype, pixels.shape]).toEqual(["uint8", [224, 224, 3]]);
    expect(Buffer.compare(pixels.data as Uint8Array, readFileSync(visionFile(expected)))).toBe(0);
    expect([image.dtype, image.shape]).toEqual(["float32", [1, 3, 224, 224]]);
    for (const { x, y, normalized } of probes) {
      expect(normalized.map((_, c) => image.data[(c * 224 + y) * 224 + x])).toEqual(normalized);
    }
  });
});

it("takes what comes with the weights inside where no model is named", async () => {
  const out = folder.in("small.safetensors");
  const report = await document(["preprocess", photo("chelsea.png"), "--out", out]);
  expect(report).toEqual({
    out,
    image: [1, 3, 32, 32],
    pixels: [32, 32, 3],
    preprocessing: {
      resize: 32,
      crop: 32,
      interpolation: "bilinear",
      scale: 255,
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.247, 0.2435, 0.2616],
    },
  });
  const { tensors, metadata } = await readTensors(await readWeights(out));
  const [pixels, image] = [tensors.get("pixels")!, tensors.get("image")!];
  const byte = pixels.data[(5 * 32 + 7) * 3 + 1] as number; // row 5, column 7, green
  expect(image.data[(32 + 5) * 32 + 7]).toBeCloseTo((byte / 255 - 0.4822) / 0.2435, 6);
  expect(JSON.parse(metadata.preprocessing!)).toMatchObject({ resize: 32, crop: 32 });
});

it.each([
  ["resnet50", { resize: 256, crop: 224, interpolation: "bilinear" }],
  ["resnext101_64x4d", { resize: 232, crop: 224, interpolation: "bilinear" }], // torchvision's only weights for it
  ["seresnext50_32x4d", { resize: 256, crop: 224, interpolation: "bicubic" }], // timm's racm_in1k
  ["resnet10t", { resize: 235, crop: 224, interpolation: "bicubic" }], // ⌊224 / 0.95⌋, timm's c3_in1k
  ["seed004_net", { resize: 32, crop: 32, interpolation: "bilinear" }],
])("takes what goes with the model %s", async (model, expected) => {
  const { preprocessing } = await document<{ preprocessing: object }>([
    "preprocess",
    photo("chelsea.png"),
    "--model",
    model,
    "--out",
    folder.in("own.safetensors"),
  ]);
  expect(preprocessing).toMatchObject(expected);
});

it("says what it lacks of a model that reads no pictures", async () => {
  const words = ["preprocess", photo("chelsea.png"), "--model", "paddle_unit", "--out", folder.in("none.safetensors")];
  const { stderr, code } = await residual(words);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^UsageError: neither paddle_unit nor its weights say .*; give --resize, --crop, .* and --std\n$/,
  );
});

it("leaves raw bytes alone with --scale 1, mean 0 and deviation 1", async () => {
  const out = folder.in("raw.safetensors");
  await succeed([
    "preprocess",
    photo("chelsea.png"),
    "--out",
    out,
    "--scale",
    "1",
    "--mean",
    "0,0,0",
    "--std",
    "1,1,1",
    "--resize",
    "20",
    "--crop",
    "9",
  ]);
  const { tensors } = await readTensors(await readWeights(out));
  const [pixels, image] = [tensors.get("pixels")!, tensors.get("image")!];
  expect(image.shape).toEqual([1, 3, 9, 9]);
  const red = Array.from({ length: 81 }, (_, i) => pixels.data[i * 3]);
  expect(Array.from(image.data.subarray(0, 81) as Float32Array)).toEqual(red);
});

it("says for people what it wrote", async () => {
  const { stdout } = await succeed(["preprocess", photo("rocket.jpg"), "--out", "r.safetensors"], { cwd: folder.path });
  expect(stdout).toBe("r.safetensors: image [1, 3, 32, 32], pixels [32, 32, 3]\n");
});
