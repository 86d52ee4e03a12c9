import type { OpName } from "@residual/core";
import { evaluateOp } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../layout.ts";
import { differences, gamma } from "../testing/differences.ts";
import { type Images, numbers, quadsOfSize, someImages, tensorOfImages } from "../testing/images.ts";
import { runKernel } from "../testing/run-kernel.ts";
import type { Kernel } from "./kernel.ts";
import { batchMean, batchNormGradientSums, batchStatistics, batchVariance, channelSum, secondVector } from "./sums.ts";

const numRuns = 60;
const around = quadsOfSize(1, 1, 1);

/** Images of finite numbers around an offset. */
function finite(x: Images, seed: number, offset = 0): Images {
  return { ...x, data: numbers(x.data.length, seed, 0).map((value) => value + offset) };
}

function vectorOf(channels: number, seed: number): Images {
  const data = numbers(channels, seed, 0).map(Math.abs);
  return { layout: layoutOf([channels]), images: 1, data, shape: [channels] };
}

/** The vectors [C] that a kernel writes, one after the other: each as an image of its own. */
function vectorsOf(kernel: Kernel, inputs: readonly Images[], channels: number, count: number): Float32Array[] {
  const { images } = inputs[0]!;
  // runKernel counts the images of y; those that the kernel does not write are NaN
  const space = { ...layoutOf([channels]), height: 1, width: 1 };
  const all = runKernel(kernel, inputs, { layout: space, images: Math.max(images, count) });
  return Array.from({ length: count }, (_, at) => all.subarray(at * channels, (at + 1) * channels));
}

const exactOf = (op: OpName, inputs: { readonly [name: string]: Images }, attributes = {}) =>
  evaluateOp({ op, attributes }, mapped(inputs), [inputs.x!.layout.channels]);
const mapped = (inputs: { readonly [name: string]: Images }) =>
  Object.fromEntries(Object.entries(inputs).map(([name, images]) => [name, tensorOfImages(images)]));

const countOf = ({ images, layout: { height, width } }: Images) => images * height * width;

describe("sums over images and pixels", () => {
  // runKernel gives a kernel the images of y, so these have as many images as vectors are written
  const imagesOf = (count: number) => someImages().filter(({ images }) => images >= count);

  it("channelSum and batchMean", () => {
    fc.assert(
      fc.property(imagesOf(1), (given) => {
        const x = finite(given, 1);
        const { channels } = x.layout;
        const count = countOf(x);
        const [sum] = vectorsOf(channelSum(x.layout), [x], channels, 1);
        expect(differences(sum!, exactOf("channelSum", { x }), () => gamma(count) * 4 * count)).toEqual([]);
        const [mean] = vectorsOf(batchMean(x.layout, count), [x], channels, 1);
        expect(differences(mean!, exactOf("batchMean", { x }), () => gamma(count + 1) * 4)).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("batchStatistics are the mean and the variance, also far from 0", () => {
    fc.assert(
      fc.property(imagesOf(2), fc.constantFrom(0, 1000), (given, offset) => {
        const x = finite(given, 2, offset);
        const { channels } = x.layout;
        const [mean, variance] = vectorsOf(batchStatistics(x.layout), [x], channels, 2);
        const exact = exactOf("batchMean", { x });
        const most = Math.max(...x.data.map(Math.abs));
        expect(differences(mean!, exact, () => gamma(countOf(x) + 2) * most)).toEqual([]);
        const ofMean: Images = { ...vectorOf(channels, 1), data: Float32Array.from(exact) };
        // differences from a plane's mean are up to 8, and that mean errs by its rounding
        const slack = gamma(countOf(x) + 6) * (64 + 16 * most) + (2 ** -23 * most * countOf(x)) ** 2;
        expect(differences(variance!, exactOf("batchVariance", { x, mean: ofMean }), () => slack)).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("batchVariance of a given mean", () => {
    fc.assert(
      fc.property(imagesOf(1), (given) => {
        const x = finite(given, 3);
        const mean = vectorOf(x.layout.channels, 4);
        const kernel = batchVariance(x.layout, countOf(x));
        const [variance] = vectorsOf(kernel, [x, mean], x.layout.channels, 1);
        const exact = exactOf("batchVariance", { x, mean });
        expect(differences(variance!, exact, () => gamma(countOf(x) + 4) * 64)).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("batchNormGradientSums are the gradients of scale and shift", () => {
    fc.assert(
      fc.property(imagesOf(2), around, (given, { border }) => {
        const x = finite(given, 5);
        const dy: Images = { ...finite(given, 6), layout: { ...x.layout, border } };
        const { channels } = x.layout;
        const [mean, variance] = [vectorOf(channels, 7), vectorOf(channels, 8)];
        const kernel = batchNormGradientSums(x.layout, dy.layout, 0.1);
        const [scale, shift] = vectorsOf(kernel, [x, dy, mean, variance], channels, 2);
        const count = countOf(x);
        const most = (count * 8 * 4) / Math.sqrt(0.1);
        const exact = exactOf("batchNormScaleGradient", { x, dy, mean, variance }, { epsilon: 0.1 });
        expect(differences(scale!, exact, () => gamma(count + 4) * most)).toEqual([]);
        const sum = evaluateOp({ op: "channelSum", attributes: {} }, { x: tensorOfImages(dy) }, [channels]);
        expect(differences(shift!, sum, () => gamma(count) * 4 * count)).toEqual([]);
      }),
      { numRuns },
    );
  });
});

it("secondVector copies the second of two vectors", () => {
  for (const channels of [1, 4, 7, 16]) {
    const both: Images = { layout: layoutOf([2, channels, 1, 1]), images: 2, data: numbers(2 * channels, 9, 0) };
    const kernel = secondVector(Math.ceil(channels / 4));
    const found = runKernel(kernel, [both], { layout: layoutOf([channels]), images: 1 });
    expect(found).toEqual(both.data.slice(channels));
  }
});
