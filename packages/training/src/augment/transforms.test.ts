import { readFileSync } from "node:fs";
import { hashU32, type Tensor, tensor, variants } from "@residual/core";
import { normalize, planeTables } from "@residual/vision";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Random } from "../random.ts";
import { jittered } from "./colour-jitter.ts";
import { flipped } from "./flip.ts";
import { cutMixed, drawCutMix, mixedUp } from "./mixing.ts";
import { cropped, drawCrop } from "./random-crop.ts";
import { drawErasing } from "./random-erasing.ts";
import type { Raster } from "./raster.ts";
import { drawResizedCrop, resizedCrop } from "./resized-crop.ts";
import { rasterOf, writeView } from "./view.ts";

interface Recorded {
  readonly image: readonly number[];
  readonly crops: readonly {
    readonly draws: readonly number[];
    readonly size: readonly [number, number];
    readonly padding: number;
    readonly mode: "constant" | "reflect";
    readonly out: readonly number[];
  }[];
  readonly resizedCrops: readonly {
    readonly draws: readonly number[];
    readonly size: number;
    readonly scale: readonly [number, number];
    readonly ratio: readonly [number, number];
    readonly box: readonly [number, number, number, number];
    readonly out: readonly number[];
  }[];
  readonly flipped: readonly number[];
  readonly colours: readonly {
    readonly name: "brightness" | "contrast" | "saturation" | "hue";
    readonly factor: number;
    readonly out: readonly number[];
  }[];
  readonly erasings: readonly {
    readonly draws: readonly number[];
    readonly scale: readonly [number, number];
    readonly box: readonly number[] | null;
  }[];
  readonly mixes: readonly {
    readonly kind: "mixup" | "cutmix";
    readonly draws: readonly number[];
    readonly lam: number;
    readonly image: readonly number[];
    readonly target: readonly (readonly number[])[];
  }[];
}

/** torchvision's answers: see fixtures/make.py. */
const recorded = JSON.parse(readFileSync(new URL("fixtures/transforms.json", import.meta.url), "utf8")) as Recorded;

const [WIDTH, HEIGHT] = [12, 10];
const picture: Raster = { width: WIDTH, height: HEIGHT, data: Uint8Array.from(recorded.image) };

/** Gives the recorded draws, all of which must be taken. */
function replay(draws: readonly number[]): Random & { readonly left: number } {
  let used = 0;
  return {
    next() {
      if (used === draws.length) throw new Error("more numbers drawn than torchvision drew");
      return draws[used++]!;
    },
    get left() {
      return draws.length - used;
    },
  };
}

it.each(recorded.crops)("a crop of $size with padding $padding, $mode", ({ draws, size, padding, mode, out }) => {
  const random = replay(draws);
  const box = drawCrop(random, picture, { height: size[0], width: size[1] }, padding);
  expect(random.left).toBe(0);
  expect(Array.from(cropped(picture, box, { padding, mode }).data)).toEqual(out);
});

it("a crop of numbers is that of bytes", () => {
  const box = { top: 1, left: 9, height: 9, width: 7 };
  const numbers: Raster = { ...picture, data: Float32Array.from(picture.data) };
  for (const mode of ["constant", "reflect"] as const)
    expect(Array.from(cropped(numbers, box, { padding: 3, mode }).data)).toEqual(
      Array.from(cropped(picture, box, { padding: 3, mode }).data),
    );
});

it.each(recorded.resizedCrops)(
  "a resized crop with scale $scale and ratio $ratio",
  ({ draws, size, scale, ratio, box, out }) => {
    const random = replay(draws);
    const drawn = drawResizedCrop(random, picture, { scale, ratio });
    expect(random.left).toBe(0);
    expect([drawn.top, drawn.left, drawn.height, drawn.width]).toEqual(box);
    expect(Array.from(resizedCrop(picture, drawn, size, "bilinear").data)).toEqual(out);
  },
);

it("a view is written as its raster is normalized", () => {
  const preprocessing = { ...variants.resnet50.preprocessing, channels: "bgr" } as const;
  const side = fc.integer({ min: 1, max: 20 });
  const offset = fc.integer({ min: -24, max: 16 });
  const box = fc.record({ top: offset, left: offset, width: side, height: side });
  fc.assert(
    fc.property(box, fc.boolean(), (box, isMirrored) => {
      const view = { raster: picture, box, isMirrored };
      const { width, height, data } = rasterOf(view);
      const planes = new Float32Array(data.length);
      writeView(view, planeTables(preprocessing), planes);
      expect(planes).toEqual(normalize({ width, height, data: Uint8Array.from(data) }, preprocessing).data);
    }),
  );
});

it("a flip", () => {
  expect(Array.from(flipped(picture).data)).toEqual(recorded.flipped);
});

it.each(recorded.colours)("$name by $factor", ({ name, factor, out }) => {
  expect(Array.from(jittered(picture, [[name, factor]]).data)).toEqual(out);
});

it.each(recorded.erasings)("an erased rectangle with scale $scale", ({ draws, scale, box }) => {
  const random = replay(draws);
  const drawn = drawErasing(random, picture, { scale });
  expect(random.left).toBe(0);
  expect(drawn ? [drawn.top, drawn.left, drawn.height, drawn.width] : null).toEqual(box);
});

describe("mixing", () => {
  const image = tensor(
    [3, 3, HEIGHT, WIDTH],
    [1, 2, 3].flatMap((seed) => planesOf(seed)),
  );
  const target = tensor([3, 4], [1, 0, 0, 0, 0, 0, 1, 0, 0, 0.25, 0, 0.75]);

  it.each(recorded.mixes)("$kind with a share of $lam", ({ kind, draws, lam, image: expected, target: shares }) => {
    const random = replay(draws);
    const batch =
      kind === "mixup"
        ? mixedUp({ image, target }, lam)
        : cutMixed({ image, target }, drawCutMix(random, WIDTH, HEIGHT, lam));
    expect(random.left).toBe(0);
    expect(sampled(batch.image)).toEqual(expected);
    expect(Array.from(batch.target.data)).toEqual(shares.flat().map(Math.fround));
  });
});

/** A picture of make.py as torch holds it: planes, divided by 255. */
function planesOf(seed: number): readonly number[] {
  const bytes = Array.from({ length: HEIGHT * WIDTH * 3 }, (_, i) => hashU32(seed, i) & 255);
  const grey = bytes.slice(0, 8);
  for (let i = 0; i < 24; i++) bytes[i] = grey[Math.floor(i / 3)]!;
  return [0, 1, 2].flatMap((c) => bytes.filter((_, i) => i % 3 === c).map((byte) => Math.fround(byte / 255)));
}

/** Every third row and column of the first two images. */
function sampled({ data }: Tensor<"float32">): readonly number[] {
  const rows: number[] = [];
  for (let plane = 0; plane < 6; plane++)
    for (let y = 0; y < HEIGHT; y += 3)
      for (let x = 0; x < WIDTH; x += 3) rows.push(data[(plane * HEIGHT + y) * WIDTH + x]!);
  return rows;
}
