import { input, ops } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ImageLayout, layoutOf } from "../layout.ts";
import { gamma } from "../testing/differences.ts";
import { shapeOf, sizesOf, target, wrongIn } from "../testing/hold.ts";
import { type Images, numbers, quadsOfSize, someImages } from "../testing/images.ts";
import { averagePool2d, globalAveragePool, maxPool2d } from "./pools.ts";

const numRuns = 80;
const whole = (min: number, max: number) => fc.integer({ min, max });
const two = (min: number, max: number) => fc.tuple(whole(min, max), whole(min, max));
/** A layout whose border alone is looked at. */
const around = quadsOfSize(1, 1, 1);

function imagesOf(shape: readonly [number, number, number, number], oddness = 0): Images {
  const count = shape.reduce((product, size) => product * size, 1);
  return { layout: layoutOf(shape), images: shape[0], data: numbers(count, count, oddness) };
}

describe("maxPool2d", () => {
  type Attributes = {
    readonly window: [number, number];
    readonly stride: [number, number];
    readonly padding: [number, number, number, number];
  };
  const windows: fc.Arbitrary<Attributes> = fc.record({
    window: two(1, 4),
    stride: two(1, 3),
    padding: fc.tuple(whole(0, 2), whole(0, 2), whole(0, 2), whole(0, 2)),
  });

  function wrong(x: Images, attributes: Attributes, border: ImageLayout = layoutOf([1])): readonly string[] {
    const shape = shapeOf(() => ops.maxPool2d({ x: input("x", sizesOf(x)) }, attributes));
    const y = target(shape, border);
    const [top, left] = attributes.padding;
    const kernel = maxPool2d(x.layout, y, { ...attributes, before: [top, left] });
    return wrongIn({ kernel, op: "maxPool2d", attributes, inputs: { x }, shape, y });
  }

  it("is the largest pixel, for any window, stride and padding; NaN wins", () => {
    fc.assert(
      fc.property(someImages(), windows, around, (x, attributes, border) => {
        expect(wrong(x, attributes, border)).toEqual([]);
      }),
      { numRuns },
    );
  });

  it.each([
    ["of the stem, 3 × 3 / 2", [2, 6, 23, 26], [3, 3], [2, 2], [1, 1, 1, 1]],
    ["that is too large to be written out", [1, 3, 20, 21], [9, 10], [4, 5], [4, 0, 3, 5]],
    ["of one row", [1, 5, 9, 40], [1, 3], [1, 1], [0, 1, 0, 1]],
    ["that leaves pixels out", [1, 4, 17, 19], [2, 2], [3, 4], [0, 1, 1, 0]],
    ["larger than the image", [1, 4, 2, 2], [4, 4], [1, 1], [2, 2, 2, 2]],
  ] as const)("a window %s", (_, shape, [kh, kw], [sh, sw], [top, left, bottom, right]) => {
    const attributes: Attributes = { window: [kh, kw], stride: [sh, sw], padding: [top, left, bottom, right] };
    expect(wrong(imagesOf([...shape], 0.01), attributes)).toEqual([]);
  });
});

describe("averagePool2d", () => {
  const windows = fc.record({ window: two(1, 4), stride: two(1, 3), ceil: fc.boolean() });

  it("is the mean of the pixels that lie inside, for any window and stride", () => {
    fc.assert(
      fc.property(someImages(), windows, around, (x, attributes, border) => {
        const shape = shapeOf(() => ops.averagePool2d({ x: input("x", sizesOf(x)) }, attributes));
        const y = target(shape, border);
        const kernel = averagePool2d(x.layout, y, { ...attributes, before: [0, 0] });
        const roundings = attributes.window[0] * attributes.window[1]; // additions, and a division
        const bound = (_: number, size: number) => gamma(roundings) * size + 2 ** -149;
        expect(wrongIn({ kernel, op: "averagePool2d", attributes, inputs: { x }, shape, y, bound })).toEqual([]);
      }),
      { numRuns },
    );
  });
});

describe("globalAveragePool", () => {
  it("is the mean of each channel", () => {
    fc.assert(
      fc.property(someImages(), (x) => {
        const shape = [x.images, x.layout.channels, 1, 1];
        const y = layoutOf(shape);
        const kernel = globalAveragePool(x.layout, y);
        const roundings = x.layout.height * x.layout.width + 4; // additions, those of the four sums, and a division
        const bound = (_: number, size: number) => gamma(roundings) * size + 2 ** -149;
        expect(wrongIn({ kernel, op: "globalAveragePool", inputs: { x }, shape, y, bound })).toEqual([]);
      }),
      { numRuns },
    );
  });
});
