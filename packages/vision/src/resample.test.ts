import { type Interpolation, interpolations, ShapeError } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pixels } from "./pixels.ts";
import { resample } from "./resample.ts";
import { golden } from "./testing/golden.ts";
import { randomBytes } from "./testing/random.ts";

const side = fc.integer({ min: 1, max: 40 });
const anyInterpolation = fc.constantFrom(...interpolations);

function noise(width: number, height: number, seed = 1): Pixels {
  return { width, height, data: randomBytes(width * height * 3, seed) };
}

describe("Pillow's own answers", () => {
  it.each(golden.smallResizes)("$filter $src -> $dst", ({ filter, src, dst, srcRgb, dstRgb }) => {
    const pixels = { width: src[0], height: src[1], data: Uint8Array.from(srcRgb) };
    const resized = resample(pixels, { width: dst[0], height: dst[1] }, filter);
    expect([...resized.data]).toEqual(dstRgb);
  });

  it("covers every interpolation there is", () => {
    expect(new Set(golden.smallResizes.map(({ filter }) => filter))).toEqual(new Set(interpolations));
  });
});

describe("laws", () => {
  it("a constant image stays constant", () => {
    fc.assert(
      fc.property(
        side,
        side,
        side,
        side,
        fc.nat(255),
        anyInterpolation,
        (width, height, w, h, value, interpolation) => {
          const pixels = { width, height, data: new Uint8Array(width * height * 3).fill(value) };
          const resized = resample(pixels, { width: w, height: h }, interpolation);
          return resized.data.length === w * h * 3 && resized.data.every((byte) => byte === value);
        },
      ),
    );
  });

  it("the same size gives the same pixels", () => {
    fc.assert(
      fc.property(side, side, anyInterpolation, (width, height, interpolation) => {
        const pixels = noise(width, height);
        expect(resample(pixels, pixels, interpolation)).toEqual(pixels);
      }),
    );
  });

  it("a window is that part of the whole", () => {
    fc.assert(
      fc.property(side, side, side, side, anyInterpolation, fc.nat(), (width, height, w, h, interpolation, seed) => {
        const pixels = noise(width, height, seed);
        const [left, top] = [seed % w, seed % h];
        const window = { left, top, width: w - left, height: Math.ceil((h - top) / 2) };
        const whole = resample(pixels, { width: w, height: h }, interpolation);
        const part = resample(pixels, { width: w, height: h }, interpolation, window);
        expect(part).toEqual(cut(whole, window));
      }),
    );
  });

  it("never changes its input", () => {
    const pixels = noise(9, 7);
    const before = pixels.data.slice();
    resample(pixels, { width: 4, height: 12 }, "lanczos");
    expect(pixels.data).toEqual(before);
  });

  it("black and white do not wrap where a filter overshoots", () => {
    const data = Uint8Array.from({ length: 8 * 3 }, (_, i) => (i < 12 ? 0 : 255));
    const { data: resized } = resample({ width: 8, height: 1, data }, { width: 80, height: 1 }, "lanczos");
    expect([resized[0], resized.at(-1)]).toEqual([0, 255]);
    expect(resized.filter((_, i) => i % 3 === 0).every((v, x) => (x < 35 ? v < 90 : x < 45 || v > 165))).toBe(true);
  });
});

function cut({ width, data }: Pixels, window: { left: number; top: number; width: number; height: number }): Pixels {
  const rows = Array.from({ length: window.height }, (_, y) => {
    const start = ((window.top + y) * width + window.left) * 3;
    return [...data.subarray(start, start + window.width * 3)];
  });
  return { width: window.width, height: window.height, data: Uint8Array.from(rows.flat()) };
}

describe("refused", () => {
  const pixels = noise(4, 4);
  const size = { width: 2, height: 2 };
  it.each([
    ["pixels.P1", () => resample({ ...pixels, width: 5 }, size, "box")],
    ["pixels.P2", () => resample({ width: 0, height: 4, data: new Uint8Array() }, size, "box")],
    ["resample.R1", () => resample(pixels, { width: 0, height: 2 }, "box")],
    ["resample.R1", () => resample(pixels, { width: 2, height: Number.NaN }, "box")],
    ["resample.R2", () => resample(pixels, size, "box", { left: 1, top: 0, width: 2, height: 2 })],
    ["resample.R2", () => resample(pixels, size, "box", { left: 0, top: -1, width: 2, height: 2 })],
    ["resample.R2", () => resample(pixels, size, "box", { left: 0, top: 0, width: 0, height: 2 })],
    ["resample.R3", () => resample(pixels, size, "cubic" as Interpolation)],
  ])("%s", (label, act) => {
    expect(act).toThrow(ShapeError);
    expect(act).toThrow(label);
  });
});
