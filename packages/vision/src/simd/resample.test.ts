import { type Interpolation, interpolations } from "@residual/core";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Pixels } from "../pixels.ts";
import { resamplePlainly } from "../plain-resample.ts";
import { crop, normalize, normalizePlainly, preprocessInto } from "../preprocess.ts";
import { imagenet } from "../preprocessing.ts";
import { type BothTaps, type Span, tapsOf } from "../taps.ts";
import { randomBytes } from "../testing/random.ts";
import { kernels } from "./kernels.ts";
import { cutToFloats, type Normalization, normalizeBySimd, resampleBySimd, resampleToFloats } from "./resample.ts";

function noise(width: number, height: number, seed = 1): Pixels {
  return { width, height, data: randomBytes(width * height * 3, seed) };
}

/** Sides of one pixel, of a few, and such that the other side is a hundred times as long. */
const side = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: 300 }));

interface Axis {
  readonly source: number;
  readonly target: number;
  readonly span: Span;
}

/** An axis: from `source` pixels to `target`, of which the window shows some. */
const axis: fc.Arbitrary<Axis> = fc
  .record({ source: side, target: side, from: fc.nat(), count: fc.nat() })
  .map(({ source, target, from, count }) => {
    const first = from % target;
    return { source, target, span: { from: first, count: 1 + (count % (target - first)) } };
  });

const float = fc.float({ noNaN: true, noDefaultInfinity: true });
const positive = fc.float({ min: Math.fround(1e-30), noNaN: true, noDefaultInfinity: true });
const normalizations = fc.record({
  scale: fc.oneof(fc.constantFrom(1, 255, 127.5), positive),
  mean: fc.tuple(float, float, float),
  std: fc.tuple(positive, positive, positive),
  channels: fc.constantFrom("rgb" as const, "bgr" as const),
});

const anyInterpolation = fc.constantFrom(...interpolations);

function tapsFor(across: Axis, down: Axis, interpolation: Interpolation): BothTaps {
  return {
    columns: tapsOf(across.source, across.target, across.span, interpolation),
    rows: tapsOf(down.source, down.target, down.span, interpolation),
  };
}

function normalizedPlainly(data: Uint8Array, normalization: Normalization): Float32Array {
  const image = new Float32Array(data.length);
  normalizePlainly(data, normalization, image);
  return image;
}

/** Also tells −0 from 0. A NaN is a NaN, whatever its other bits. */
function expectSame(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length);
  const differs = found.findIndex((value, i) => !Object.is(value, expected[i]));
  expect(differs, `first difference: ${found[differs]} for ${expected[differs]}`).toBe(-1);
}

it("this engine has SIMD, so that the tests below test it", () => expect(kernels()).toBeDefined());

describe("bit for bit as without SIMD", () => {
  it("resamples", () => {
    fc.assert(
      fc.property(axis, axis, anyInterpolation, fc.nat(), (across, down, interpolation, seed) => {
        const pixels = noise(across.source, down.source, seed);
        const taps = tapsFor(across, down, interpolation);
        expect(Buffer.compare(resampleBySimd(pixels, taps)!, resamplePlainly(pixels, taps))).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("black and white, where filters overshoot most", () => {
    fc.assert(
      fc.property(axis, axis, anyInterpolation, fc.nat(), (across, down, interpolation, seed) => {
        const { data, ...size } = noise(across.source, down.source, seed);
        const pixels = { ...size, data: data.map((byte) => (byte > 127 ? 255 : 0)) };
        const taps = tapsFor(across, down, interpolation);
        expect(Buffer.compare(resampleBySimd(pixels, taps)!, resamplePlainly(pixels, taps))).toBe(0);
      }),
    );
  });

  it("resamples and normalizes at once", () => {
    fc.assert(
      fc.property(axis, axis, anyInterpolation, normalizations, (across, down, interpolation, normalization) => {
        const pixels = noise(across.source, down.source);
        const taps = tapsFor(across, down, interpolation);
        const image = new Float32Array(3 * across.span.count * down.span.count);
        expect(resampleToFloats(pixels, taps, normalization, image)).toBe(true);
        expectSame(image, normalizedPlainly(resamplePlainly(pixels, taps), normalization));
      }),
    );
  });

  it("cuts and normalizes at once", () => {
    fc.assert(
      fc.property(axis, axis, normalizations, (across, down, normalization) => {
        const pixels = noise(across.target, down.target);
        const taps = tapsFor({ ...across, source: across.target }, { ...down, source: down.target }, "bilinear");
        const image = new Float32Array(3 * across.span.count * down.span.count);
        expect(cutToFloats(pixels, taps, normalization, image)).toBe(true);
        expectSame(image, normalizedPlainly(resamplePlainly(pixels, taps), normalization));
      }),
    );
  });

  it("normalizes any number of pixels", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30_000 }), normalizations, (count, normalization) => {
        const { data } = noise(count, 1);
        const image = new Float32Array(data.length);
        expect(normalizeBySimd(data, normalization, image)).toBe(true);
        expectSame(image, normalizedPlainly(data, normalization));
      }),
    );
  });

  it("preprocesses into a part of a batch, and leaves the rest of it alone", () => {
    const small = fc.integer({ min: 1, max: 90 });
    fc.assert(
      fc.property(small, small, small, small, anyInterpolation, (width, height, resize, side, interpolation) => {
        const pixels = noise(width, height);
        const preprocessing = { ...imagenet, resize, crop: side, interpolation };
        const size = 3 * side * side;
        const batch = new Float32Array(3 * size).fill(7);
        preprocessInto(pixels, preprocessing, batch.subarray(size, 2 * size));
        const image = normalizedPlainly(crop(pixels, preprocessing).data, preprocessing);
        const expected = new Float32Array(3 * size).fill(7);
        expected.set(image, size);
        expectSame(batch, expected);
      }),
    );
  });
});

describe("memory", () => {
  const whole = (source: number, target: number): Axis => ({ source, target, span: { from: 0, count: target } });

  it.each([
    [90, 1500, 2000, 20], // more rows than are kept at a time
    [20_000, 40, 15_000, 30], // four rows at a time
    [2, 30_000, 1, 20_000],
  ])("a picture of %i x %i to %i x %i is made in strips", (width, height, w, h) => {
    const pixels = noise(width, height);
    for (const interpolation of ["bilinear", "lanczos"] as const) {
      const taps = tapsFor(whole(width, w), whole(height, h), interpolation);
      expect(Buffer.compare(resampleBySimd(pixels, taps)!, resamplePlainly(pixels, taps))).toBe(0);
    }
    expect(kernels()!.bytes.length).toBeLessThanOrEqual(16 << 20);
  });

  it("a picture that takes more is left to plain code, and no memory is left behind", () => {
    const pixels = { width: 2_000_000, height: 4, data: new Uint8Array(24_000_000) };
    const taps = tapsFor(whole(2_000_000, 6), whole(4, 5), "box");
    const before = kernels()!.bytes.length;
    expect(resampleBySimd(pixels, taps)).toBeUndefined();
    expect(resampleToFloats(pixels, taps, imagenet, new Float32Array(90))).toBe(false);
    expect(kernels()!.bytes.length).toBe(before);
  });
});

describe("without SIMD", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it.each([
    ["no WebAssembly", undefined],
    [
      "a page that forbids it",
      {
        Module: class {
          constructor() {
            throw new Error("Refused to compile");
          }
        },
      },
    ],
  ])("%s: the same bits", async (_, webAssembly) => {
    const pixels = noise(50, 41);
    const preprocessing = { ...imagenet, resize: 30, crop: 23 };
    const [cut, image] = [crop(pixels, preprocessing), new Float32Array(3 * 23 * 23)];
    preprocessInto(pixels, preprocessing, image);
    vi.resetModules();
    vi.stubGlobal("WebAssembly", webAssembly);
    expect((await import("./kernels.ts")).kernels()).toBeUndefined();
    const plain = await import("../preprocess.ts");
    expect(plain.crop(pixels, preprocessing)).toEqual(cut);
    expectSame(plain.preprocess(pixels, preprocessing).data, image);
    expectSame(plain.normalize(cut, preprocessing).data, normalize(cut, preprocessing).data);
  });
});
