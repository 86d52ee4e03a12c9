import { FormatError, type Preprocessing, ShapeError, type Tensor, tensor, variants } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeImage } from "./decode-node.ts";
import type { Pixels } from "./pixels.ts";
import { crop, cropOffset, normalize, preprocess, preprocessInto, resizedSize, stack } from "./preprocess.ts";
import { cifar10, imagenet, raw32 } from "./preprocessing.ts";
import { resample } from "./resample.ts";
import { golden, goldenBytes, goldenCases, goldenPath, sha256 } from "./testing/golden.ts";
import { randomBytes } from "./testing/random.ts";

function noise(width: number, height: number): Pixels {
  return { width, height, data: randomBytes(width * height * 3, width) };
}

describe.each(goldenCases)("$image, $variant", ({ image, variant, ...expected }) => {
  const decoded = () => decodeImage(goldenPath(image), { upright: variant === "upright" });

  it("resizes to Pillow's bytes", async () => {
    const pixels = await decoded();
    const size = resizedSize(pixels, imagenet.resize);
    expect([size.width, size.height]).toEqual(expected.resizedSize);
    expect([cropOffset(size.width, 224), cropOffset(size.height, 224)]).toEqual(expected.cropLeftTop);
    expect(sha256(resample(pixels, size, "bilinear").data)).toBe(expected.resizedSha256);
  });

  it("crops to Pillow's bytes and normalizes to torchvision's bits", async () => {
    const cropped = crop(await decoded(), imagenet);
    expect(Buffer.compare(cropped.data, goldenBytes(expected.expected))).toBe(0);
    const { shape, data } = normalize(cropped, imagenet);
    expect(shape).toEqual([1, 3, 224, 224]);
    for (const { x, y, normalized } of expected.probes) {
      expect([0, 1, 2].map((channel) => data[(channel * 224 + y) * 224 + x])).toEqual(normalized);
    }
  });
});

it("gives Keras' ResNet-50 blue, green and red, each less its own mean", () => {
  const pixel: Pixels = { width: 1, height: 1, data: Uint8Array.of(10, 20, 30) };
  const { data } = normalize(pixel, variants.keras_resnet50.preprocessing);
  // keras.applications.resnet.preprocess_input([[[10, 20, 30]]]), float32
  expect([...data]).toEqual([-73.939, -96.779, -113.68].map(Math.fround));
});

describe("size and crop", () => {
  it.each(golden.sizeRule)("$size, $resize, $crop -> $resized at $cropLeftTop", ({ size, resize, ...rule }) => {
    const resized = resizedSize({ width: size[0], height: size[1] }, resize);
    expect([resized.width, resized.height]).toEqual(rule.resized);
    expect([cropOffset(resized.width, rule.crop), cropOffset(resized.height, rule.crop)]).toEqual(rule.cropLeftTop);
  });

  it.each([
    [5, 4, 0], // 0.5 and 2.5 go down to the even one, 1.5 goes up to it
    [7, 4, 2],
    [9, 4, 2],
    [4, 4, 0],
    [3, 4, 0], // a padding of 1 comes after
    [2, 4, -1],
    [1, 4, -1],
  ])("a side of %i cropped to %i starts at %i", (size, side, offset) => expect(cropOffset(size, side)).toBe(offset));

  it("the shorter side is what was asked, the longer one keeps the ratio, truncated", () => {
    const side = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(side, side, side, (width, height, resize) => {
        const size = resizedSize({ width, height }, resize);
        const [short, long] = [Math.min(size.width, size.height), Math.max(size.width, size.height)];
        expect(short).toBe(resize);
        const exact = (BigInt(resize) * BigInt(Math.max(width, height))) / BigInt(Math.min(width, height));
        expect(BigInt(long)).toBe(exact);
      }),
    );
  });

  it("a crop is square, whatever the image", () => {
    const side = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(side, side, side, side, (width, height, resize, size) => {
        const cropped = crop(noise(width, height), { resize, crop: size, interpolation: "bicubic" });
        expect([cropped.width, cropped.height, cropped.data.length]).toEqual([size, size, size * size * 3]);
      }),
    );
  });

  it("passes pixels of the right size through unchanged", () => {
    const pixels = noise(32, 32);
    expect(crop(pixels, cifar10)).toEqual(pixels);
  });

  it("pads with black around an image smaller than the crop, the odd row after", () => {
    const pixels = { width: 1, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    const { data } = crop(pixels, { resize: 1, crop: 3, interpolation: "bilinear" });
    expect([...data]).toEqual([0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, ...new Uint8Array(9)]);
  });

  it("takes a strip of 1 x 1,000,000 without making it 256 times as large", () => {
    const strip = { width: 1_000_000, height: 1, data: randomBytes(3_000_000, 1) };
    expect(preprocess(strip, imagenet).shape).toEqual([1, 3, 224, 224]);
  });
});

describe("normalize", () => {
  const bytes = { width: 256, height: 1, data: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)) };

  it("divides and normalizes in float32, operation by operation", () => {
    const { data } = normalize(bytes, imagenet);
    const [value, mean, std] = [Float32Array.of(200), Float32Array.of(0.406), Float32Array.of(0.225)];
    const step = Float32Array.of(value[0]! / 255);
    step[0] = step[0]! - mean[0]!;
    step[0] = step[0] / std[0]!;
    expect(data[512 + 200]).toBe(step[0]);
    expect(data[512 + 200]).not.toBe(Math.fround((200 / 255 - 0.406) / 0.225)); // float64 in between would show here
  });

  it("leaves raw bytes as they are", () => {
    const { data } = normalize(bytes, raw32);
    expect([...data.subarray(256, 512)]).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it("puts red, green and blue in planes", () => {
    const pixels = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    expect(normalize(pixels, raw32)).toEqual(tensor([1, 3, 1, 2], [1, 4, 2, 5, 3, 6]));
  });

  it.each([
    ["preprocess", (fields: object) => preprocess(bytes, fields as Preprocessing)],
    ["crop", (fields: object) => crop(bytes, fields as Preprocessing)],
    ["normalize", (fields: object) => normalize(bytes, fields as Preprocessing)],
  ])("%s names the field that is missing or no number", (name, act) => {
    const needed = {
      preprocess: ["resize", "crop", "interpolation", "scale", "mean", "std"],
      crop: ["resize", "crop", "interpolation"],
      normalize: ["scale", "mean", "std"],
    }[name]!;
    expect(() => act({})).toThrow(/^preprocessing\.\w+: found nothing, expected /);
    for (const field of needed) {
      for (const wrong of [undefined, Number.NaN, "7"]) {
        expect(() => act({ ...raw32, [field]: wrong })).toThrow(FormatError);
        expect(() => act({ ...raw32, [field]: wrong })).toThrow(`preprocessing.${field}: found `);
      }
    }
  });

  it("I1: refuses room for another number of values", () => {
    const act = () => preprocessInto(bytes, { ...raw32, crop: 2 }, new Float32Array(13));
    expect(act).toThrow(ShapeError);
    expect(act).toThrow(/^image of 13 numbers, expected 12 \(preprocessInto\.I1\)$/);
  });

  it("N1: refuses a mean of another length", () => {
    const act = () => normalize(bytes, { ...raw32, mean: [0] });
    expect(act).toThrow(ShapeError);
    expect(act).toThrow(/^mean and std of 1 and 3 numbers.* \(normalize\.N1\)$/);
  });
});

describe("stack", () => {
  const image = (value: number): Tensor<"float32"> => tensor([1, 3, 1, 2], new Float32Array(6).fill(value));

  it("makes one batch, in order", () => {
    const batch = stack([image(1), image(2), stack([image(3), image(4)])]);
    expect(batch.shape).toEqual([4, 3, 1, 2]);
    expect([...batch.data]).toEqual([1, 2, 3, 4].flatMap((value) => [...image(value).data]));
  });

  it("S1: refuses no tensor", () => expect(() => stack([])).toThrow("stack.S1"));

  it("S2: refuses images of two sizes, naming both", () => {
    const act = () => stack([image(1), tensor([1, 3, 2, 1], [1, 2, 3, 4, 5, 6])]);
    expect(act).toThrow(ShapeError);
    expect(act).toThrow(/^\[1, 3, 2, 1\] beside \[1, 3, 1, 2\].* \(stack\.S2\)$/);
  });
});
