import { input, ops } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../layout.ts";
import { gamma } from "../testing/differences.ts";
import { shapeOf, sizesOf, target, wrongIn } from "../testing/hold.ts";
import { type Images, numbers, quadsOfSize, someImages } from "../testing/images.ts";
import { runKernel } from "../testing/run-kernel.ts";
import { sliceChannels } from "./convert.ts";
import { pixelwise } from "./elementwise.ts";
import {
  averagePool2dGradient,
  batchNormInputGradient,
  maxPool2dGradient,
  reluGradient,
  subsampleGradient,
} from "./gradients.ts";

const numRuns = 60;
const whole = (min: number, max: number) => fc.integer({ min, max });
const two = (min: number, max: number) => fc.tuple(whole(min, max), whole(min, max));
const around = quadsOfSize(1, 1, 1);

/** Images of a shape, with the border of another layout. */
function imagesOf(shape: readonly number[], seed: number, { border }: Images["layout"] = layoutOf([1])): Images {
  const count = shape.reduce((product, size) => product * size, 1);
  return { layout: { ...layoutOf(shape), border }, images: shape[0]!, data: numbers(count, seed, 0) };
}

/** Values between 0 and 4 in a vector [C]. */
function vectorOf(channels: number, seed: number): Images {
  const data = numbers(channels, seed, 0).map(Math.abs);
  return { layout: layoutOf([channels]), images: 1, data, shape: [channels] };
}

describe("maxPool2dGradient", () => {
  const windows = fc.record({ window: two(1, 4), stride: two(1, 3), padding: fc.tuple(whole(0, 2), whole(0, 2)) });

  it("goes to the first largest pixel of each window", () => {
    fc.assert(
      fc.property(someImages(), windows, around, around, whole(1, 3), (given, { padding, ...sizes }, a, b, values) => {
        // few different values, so that ties are common
        const x = {
          ...given,
          data: given.data.map((value) => Math.round((Number.isFinite(value) ? value : 0) / values)),
        };
        const [top, left] = padding;
        const attributes = { ...sizes, padding: [top, left, top, left] as const };
        const of = { x: input("x", sizesOf(x)) };
        const dy = imagesOf(
          shapeOf(() => ops.maxPool2d(of, attributes)),
          5,
          a,
        );
        const shape = sizesOf(x);
        const y = target(shape, b);
        const kernel = maxPool2dGradient(x.layout, dy.layout, y, { ...sizes, before: padding });
        // a pixel is in 16 windows at the most
        const largest = dy.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const bound = () => gamma(16) * 16 * largest;
        const op = "maxPool2dGradient";
        expect(wrongIn({ kernel, op, attributes, inputs: { x, dy }, shape, y, bound })).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("goes to the first NaN of a window, and to the first of −∞", () => {
    const gradient = (values: readonly number[]) => {
      const x: Images = { layout: layoutOf([1, 1, 2, 2]), images: 1, data: Float32Array.from(values) };
      const dy: Images = { layout: layoutOf([1, 1, 1, 1]), images: 1, data: Float32Array.of(3) };
      const windows = { window: [2, 2], stride: [2, 2], before: [0, 0] } as const;
      const kernel = maxPool2dGradient(x.layout, dy.layout, x.layout, windows);
      return [...runKernel(kernel, [x, dy], { layout: x.layout, images: 1 })];
    };
    expect(gradient([1, 2, Number.NaN, Number.NaN])).toEqual([0, 0, 3, 0]);
    expect(gradient([-Infinity, -Infinity, -Infinity, -Infinity])).toEqual([3, 0, 0, 0]);
    expect(gradient([-3, -1, -2, -1])).toEqual([0, 3, 0, 0]);
    expect(gradient([-0, 0, 0, 0])).toEqual([3, 0, 0, 0]);
  });
});

it("averagePool2dGradient gives each pixel of a window an equal part", () => {
  fc.assert(
    fc.property(someImages(), two(1, 4), two(1, 3), fc.boolean(), around, around, (x, window, stride, ceil, a, b) => {
      const attributes = { window, stride, ceil } as const;
      const of = { x: input("x", sizesOf(x)) };
      const dy = imagesOf(
        shapeOf(() => ops.averagePool2d(of, attributes)),
        7,
        a,
      );
      const shape = sizesOf(x);
      const y = target(shape, b);
      const kernel = averagePool2dGradient(dy.layout, y, { window, stride, before: [0, 0] });
      const size = [x.layout.height, x.layout.width] as const;
      const bound = (_: number, sum: number) => gamma(window[0] * window[1] + 1) * sum;
      const op = "averagePool2dGradient";
      expect(wrongIn({ kernel, op, attributes: { ...attributes, size }, inputs: { dy }, shape, y, bound })).toEqual([]);
    }),
    { numRuns },
  );
});

it("subsampleGradient puts zeros between pixels", () => {
  fc.assert(
    fc.property(someImages(), two(1, 3), around, around, (x, stride, a, b) => {
      const dy = imagesOf(
        shapeOf(() => ops.subsample({ x: input("x", sizesOf(x)) }, { stride })),
        9,
        a,
      );
      const shape = sizesOf(x);
      const y = target(shape, b);
      const size = [x.layout.height, x.layout.width] as const;
      const kernel = subsampleGradient(dy.layout, y, stride);
      expect(
        wrongIn({ kernel, op: "subsampleGradient", attributes: { stride, size }, inputs: { dy }, shape, y }),
      ).toEqual([]);
    }),
    { numRuns },
  );
});

it("sliceChannels drops channels in front and behind", () => {
  fc.assert(
    fc.property(someImages(), fc.nat(), fc.nat(), around, (x, first, last, border) => {
      const { channels } = x.layout;
      const before = first % channels;
      const after = last % (channels - before);
      const shape = [x.images, channels - before - after, x.layout.height, x.layout.width];
      const y = target(shape, border);
      const kernel = sliceChannels(x.layout, y, before);
      expect(wrongIn({ kernel, op: "sliceChannels", attributes: { before, after }, inputs: { x }, shape, y })).toEqual(
        [],
      );
    }),
    { numRuns },
  );
});

it("reluGradient is dy where y is above 0 or NaN", () => {
  fc.assert(
    fc.property(someImages(), around, around, (y, a, b) => {
      const dy: Images = { ...y, layout: { ...y.layout, border: a.border }, data: numbers(y.data.length, 11, 0.05) };
      const [shape, to] = [sizesOf(y), target(sizesOf(y), b)];
      const inputs = [
        { operand: "a", layout: y.layout },
        { operand: "b", layout: dy.layout },
      ];
      const kernel = pixelwise(reluGradient, inputs, to);
      expect(wrongIn({ kernel, op: "reluGradient", inputs: { y, dy }, shape, y: to })).toEqual([]);
    }),
    { numRuns },
  );
});

it("batchNormInputGradient is that of the composite", () => {
  fc.assert(
    fc.property(someImages(), around, around, (given, a, b) => {
      const x = { ...given, data: numbers(given.data.length, 13, 0) };
      const dy: Images = { ...x, layout: { ...x.layout, border: a.border }, data: numbers(x.data.length, 14, 0) };
      const { channels, height, width } = x.layout;
      const [shape, y] = [sizesOf(x), target(sizesOf(x), b)];
      const [scale, mean, variance] = [1, 2, 3].map((seed) => vectorOf(channels, seed)) as [Images, Images, Images];
      const [scaleGradient, shiftGradient] = [4, 5].map((seed) => vectorOf(channels, seed)) as [Images, Images];
      const inputs = { x, dy, scale, mean, variance, scaleGradient, shiftGradient };
      const count = x.images * height * width;
      const kernel = batchNormInputGradient(x.layout, dy.layout, y, { epsilon: 0.1, count });
      // numbers up to 4, divided by at least √0.1: three products and two sums
      const most = (4 / Math.sqrt(0.1)) * (8 + (8 * 4) / 0.1);
      const bound = () => gamma(10) * most;
      const attributes = { epsilon: 0.1 };
      expect(wrongIn({ kernel, op: "batchNormInputGradient", attributes, inputs, shape, y, bound })).toEqual([]);
    }),
    { numRuns },
  );
});
