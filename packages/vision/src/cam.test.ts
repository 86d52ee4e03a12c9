import { readFileSync } from "node:fs";
import { mapValues, ShapeError, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { cropArea, overlayCam } from "./cam.ts";
import { imageFormatOf } from "./image-format.ts";
import { decodeImage, encodeImage } from "./index.ts";
import { inferno } from "./inferno.ts";
import { preprocess } from "./preprocess.ts";
import { randomBytes } from "./testing/random.ts";

interface Recorded {
  readonly inferno: string;
  readonly cases: readonly {
    readonly size: readonly [height: number, width: number];
    readonly pixels: string;
    readonly cells: readonly number[];
    readonly map: readonly number[];
    readonly area: readonly [left: number, top: number, width: number, height: number];
    readonly opacity: number;
    readonly rgb: string;
  }[];
}

/** By PyTorch and matplotlib: golden/cam/make.py. */
const recorded = JSON.parse(readFileSync(new URL("../golden/cam/overlays.json", import.meta.url), "utf8")) as Recorded;

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64"));

describe("overlayCam", () => {
  it("has matplotlib's inferno", () => {
    expect(inferno).toEqual(bytes(recorded.inferno));
  });

  it.each(recorded.cases)("of $cells over $size pixels is PyTorch's and matplotlib's, to the bit", (each) => {
    const [height, width] = each.size;
    const [left, top, across, down] = each.area;
    const pixels = { width, height, data: bytes(each.pixels) };
    const map = tensorOf("float64", each.cells, Float64Array.from(each.map));
    const area = { left, top, width: across, height: down };
    const { data, ...size } = overlayCam({ pixels, map, area }, { opacity: each.opacity });
    expect(size).toEqual({ width, height });
    const rgb = data.filter((_, i) => i % 4 !== 3);
    expect(Buffer.from(rgb).toString("base64")).toBe(each.rgb);
    expect(data.filter((_, i) => i % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
  });

  const pixels = { width: 2, height: 2, data: new Uint8Array(12).fill(200) };

  it("of equal values has the first colour everywhere", () => {
    const { data } = overlayCam({ pixels, map: tensor([1, 2], [3, 3]) }, { opacity: 1 });
    expect([...data.subarray(0, 4)]).toEqual([...inferno.subarray(0, 3), 255]);
  });

  it.each([
    ["C1", { map: tensor([1, 1, 2, 2], [1, 2, 3, 4]) }, {}],
    ["C1", { map: tensor([1, 2], [1, Number.NaN]) }, {}],
    ["C1", { map: tensor([0, 2], []) }, {}],
    ["C2", {}, { opacity: 1.5 }],
    ["C3", { area: { left: 0, top: 0, width: 0, height: 2 } }, {}],
  ])("refuses by %s %o %o", (label, change, options) => {
    const call = () => overlayCam({ pixels, map: tensor([1, 2], [1, 2]), ...change }, options);
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(`overlayCam.${label}`);
  });
});

describe("cropArea", () => {
  it.each([
    // 451 × 300 to 384 × 256 (torchvision truncates), then 80 and 16 pixels in
    [
      { width: 451, height: 300 },
      { resize: 256, crop: 224 },
      { left: (80 * 451) / 384, top: (16 * 300) / 256, width: (224 * 451) / 384, height: 262.5 },
    ],
    [
      { width: 32, height: 32 },
      { resize: 32, crop: 32 },
      { left: 0, top: 0, width: 32, height: 32 },
    ],
    // a crop beyond the resized picture: 20 black pixels on each side
    [
      { width: 100, height: 100 },
      { resize: 200, crop: 240 },
      { left: -10, top: -10, width: 120, height: 120 },
    ],
  ])("of %o by %o", (size, preprocessing, expected) => {
    const close = (pixels: number) => expect.closeTo(pixels, 9) as number;
    expect(cropArea(size, preprocessing)).toEqual(mapValues(expected, close));
  });

  it("holds what the model sees: pixels more than a filter's reach outside change nothing", () => {
    const sides = fc.integer({ min: 40, max: 90 });
    const property = fc.property(sides, sides, fc.integer({ min: 24, max: 40 }), (width, height, resize) => {
      const preprocessing = {
        resize,
        crop: 24,
        interpolation: "bilinear",
        scale: 255,
        mean: [0, 0, 0],
        std: [1, 1, 1],
      } as const;
      const area = cropArea({ width, height }, preprocessing);
      const reach = Math.max(width, height) / resize + 2;
      const pixels = { width, height, data: randomBytes(width * height * 3, 1) };
      const others = randomBytes(width * height * 3, 2);
      const changed = pixels.data.map((value, i) => {
        const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
        const isNear = x > area.left - reach && x < area.left + area.width + reach;
        return isNear && y > area.top - reach && y < area.top + area.height + reach ? value : others[i]!;
      });
      expect(preprocess({ width, height, data: changed }, preprocessing)).toEqual(preprocess(pixels, preprocessing));
    });
    fc.assert(property, { numRuns: 50 });
  });
});

describe("encodeImage", () => {
  const data = randomBytes(5 * 3 * 4, 3).map((value, i) => (i % 4 === 3 ? 255 : value));

  it("writes a PNG that decodeImage reads, to the bit", async () => {
    const { data: read, ...size } = await decodeImage(await encodeImage({ width: 5, height: 3, data }));
    expect(size).toEqual({ width: 5, height: 3 });
    expect([...read]).toEqual([...data].filter((_, i) => i % 4 !== 3));
  });

  it("keeps alpha where there is some", async () => {
    const clear = data.map((value, i) => (i === 3 ? 0 : value));
    const file = await encodeImage({ width: 5, height: 3, data: clear });
    const { data: read, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
    expect([info.channels, ...read]).toEqual([4, ...clear]);
  });

  it.each(["jpeg", "webp"] as const)("writes %s", async (format) => {
    const file = await encodeImage({ width: 16, height: 16, data: new Uint8Array(16 * 16 * 4).fill(255) }, format);
    expect(imageFormatOf(file).toLowerCase()).toBe(format);
    expect((await decodeImage(file)).data.every((value) => value >= 253)).toBe(true);
  });

  it("refuses pixels that do not fit their size", async () => {
    await expect(encodeImage({ width: 5, height: 4, data })).rejects.toThrow("pixels.P1");
  });
});
