import { evaluateOp, type Pads } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../../layout.ts";
import { hasRelaxedSimd } from "../../platform.ts";
import { differences, gamma } from "../../testing/differences.ts";
import { engineOf } from "../../testing/engine.ts";
import { type Images, laidOut, numbers, tensorOfImages } from "../../testing/images.ts";
import { runKernel } from "../../testing/run-kernel.ts";
import type { ConvolutionLayer } from "../layer.ts";
import { plainInputGradient, plainWeightGradient } from "./plain.ts";
import { turned } from "./turned.ts";
import { weightGradient } from "./weight.ts";

const upTo = (most: number, least = 0) => fc.integer({ min: least, max: most });
const pads: fc.Arbitrary<Pads> = fc.tuple(upTo(2), upTo(2), upTo(2), upTo(2));

interface Case {
  readonly layer: ConvolutionLayer;
  readonly images: number;
}

const channels = fc.oneof(
  fc.record({ groups: fc.constant(1), inputs: upTo(13, 1), outputs: upTo(20, 1) }),
  fc.record({ groups: upTo(3, 2), inputs: fc.constantFrom(4, 8), outputs: fc.constantFrom(4, 8, 12) }),
  fc.record({ groups: upTo(4, 2), inputs: upTo(3, 1), outputs: upTo(3, 1) }),
);

const cases: fc.Arbitrary<Case> = fc
  .record({
    images: upTo(5, 1),
    channels,
    size: fc.tuple(upTo(12, 1), upTo(12, 1)),
    kernel: fc.oneof(fc.constant([1, 1] as const), fc.constant([3, 3] as const), fc.tuple(upTo(4, 1), upTo(4, 1))),
    stride: fc.oneof(fc.constant([1, 1] as const), fc.tuple(upTo(3, 1), upTo(3, 1))),
    dilation: fc.oneof(fc.constant([1, 1] as const), fc.tuple(upTo(2, 1), upTo(2, 1))),
    padding: pads,
    borders: fc.tuple(pads, pads),
    isPixels: fc.boolean(),
    isOpen: fc.boolean(),
  })
  .map(({ images, channels: { groups, inputs, outputs }, size, kernel, stride, dilation, padding, ...given }) => {
    const steps = (axis: 0 | 1) =>
      Math.floor(
        (size[axis] + padding[axis] + padding[axis === 0 ? 2 : 3] - dilation[axis] * (kernel[axis] - 1) - 1) /
          stride[axis],
      ) + 1;
    const border = padding.map((pixels, side) => pixels + given.borders[0][side]!) as unknown as Pads;
    const order = given.isPixels && groups === 1 ? "pixels" : "quads";
    const x = { order, channels: groups * inputs, height: size[0], width: size[1], border } as const;
    const sizes = { channels: groups * outputs, height: steps(0), width: steps(1) };
    const y = { order: "quads", ...sizes, border: given.borders[1] } as const;
    const attributes = { stride, padding, dilation, groups, relu: false };
    const layer: ConvolutionLayer = { x, y, hasBias: false, kernel, attributes, ...(!given.isOpen && { images }) };
    return { layer, images };
  })
  .filter(({ layer: { y } }) => y.height > 0 && y.width > 0);

function imagesOf(layout: Images["layout"], images: number, seed: number): Images {
  return { layout, images, data: numbers(images * layout.channels * layout.height * layout.width, seed, 0) };
}

function exactOf({ layer }: Pick<Case, "layer">, x: Images, dy: Images): Float64Array {
  const { kernel, attributes } = layer;
  const { relu: _, ...options } = attributes;
  const inputs = { x: tensorOfImages(x), dy: tensorOfImages(dy) };
  const shape = [layer.y.channels, layer.x.channels / attributes.groups, ...kernel];
  return evaluateOp({ op: "conv2dWeightGradient", attributes: { ...options, kernel } }, inputs, shape);
}

/** dw by a kernel, its tasks in ranges and the last range first, as threads may take them. */
async function weightsBy(
  { layer, images }: Case,
  x: Images,
  dy: Images,
  { instructions, ranges }: { readonly instructions: "relaxed madd" | "mul and add"; readonly ranges: number },
): Promise<Float32Array> {
  const kernel = weightGradient(layer, instructions);
  const [atX, atDy] = [laidOut(x), laidOut(dy)];
  const scratch = kernel.scratch?.(images) ?? 0;
  const count = (layer.y.channels * layer.x.channels * layer.kernel[0] * layer.kernel[1]) / layer.attributes.groups;
  const sizes = [4 * atX.length, 4 * atDy.length, 4 * count, scratch];
  const starts = sizes.map((_, at) => 1024 + sizes.slice(0, at).reduce((sum, bytes) => sum + bytes + 64, 0));
  const engine = await engineOf({ instructions, isShared: false }, starts[3]! + scratch + 64, [kernel]);
  engine.numbers(0, engine.memory.buffer.byteLength / 4).fill(Number.NaN);
  for (const [at, numbersOf] of [atX, atDy].entries())
    engine.numbers(starts[at]!, numbersOf.length).set(new Float32Array(numbersOf.buffer));
  for (const { function: name, first = 0, tasks } of kernel.phases(images)) {
    const each = Math.ceil(tasks / ranges);
    for (let end = first + tasks; end > first; end -= each)
      engine.call(kernel.name, name, [...starts, images, Math.max(first, end - each), end]);
  }
  return engine.copyOf(starts[2]!, count);
}

describe.each(hasRelaxedSimd() ? (["relaxed madd", "mul and add"] as const) : (["mul and add"] as const))(
  "%s",
  (instructions) => {
    it("the weight gradient is within its bound for any layer, with the same bits for any ranges of tasks", async () => {
      await fc.assert(
        fc.asyncProperty(cases, async (given) => {
          const { layer, images } = given;
          const [x, dy] = [imagesOf(layer.x, images, 1), imagesOf(layer.y, images, 2)];
          const found = await weightsBy(given, x, dy, { instructions, ranges: 1 });
          const terms = images * layer.y.height * layer.y.width;
          // numbers are up to 4
          expect(differences(found, exactOf(given, x, dy), () => gamma(terms + 2) * terms * 16)).toEqual([]);
          for (const ranges of [2, 5]) expect(await weightsBy(given, x, dy, { instructions, ranges })).toEqual(found);
        }),
        { numRuns: 120 },
      );
    });
  },
);

it("a batch in parts, an image in blocks of rows, and rows without gaps", async () => {
  const layer = (size: number, channelsIn: number, kernel: number, images: number): Case => {
    const padding = (kernel - 1) / 2;
    const border: Pads = [padding, padding, padding, padding];
    const x = { ...layoutOf([images, channelsIn, size, size]), border };
    const attributes = { stride: [1, 1], padding: border, dilation: [1, 1], groups: 1, relu: false } as const;
    const y = layoutOf([images, 8, size, size]);
    return { layer: { x, y, hasBias: false, kernel: [kernel, kernel], attributes, images }, images };
  };
  for (const given of [layer(6, 4, 3, 40), layer(90, 3, 5, 2), layer(12, 20, 1, 30)]) {
    const { images } = given;
    const [x, dy] = [imagesOf(given.layer.x, images, 3), imagesOf(given.layer.y, images, 4)];
    const found = await weightsBy(given, x, dy, { instructions: "mul and add", ranges: 3 });
    const terms = images * given.layer.y.height * given.layer.y.width;
    // 2 of the terms' standard deviations, about 5, would be a far larger error than γ of their sum
    expect(differences(found, exactOf(given, x, dy), () => gamma(terms + 2) * terms * 16)).toEqual([]);
  }
});

it("the plain kernels are exact but for one rounding", () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { images } = given;
      const layer = { ...given.layer, x: { ...given.layer.x, order: "quads" } } as const;
      const [x, dy] = [imagesOf(layer.x, images, 5), imagesOf(layer.y, images, 6)];
      const { kernel, attributes } = layer;
      const { relu: _, ...options } = attributes;
      const shape = [layer.y.channels, layer.x.channels / attributes.groups, ...kernel];
      // runKernel counts the images of y, so dw is laid out as that many
      const count = shape.reduce((product, size) => product * size, 1);
      const dw = layoutOf([1, count, 1, 1], "host");
      if (images === 1) {
        const found = runKernel(plainWeightGradient(layer), [x, dy], { layout: dw, images: 1 });
        const exact = exactOf({ layer }, x, dy);
        expect(differences(found, exact, (at) => 2 ** -23 * Math.abs(exact[at]!) + 1e-9)).toEqual([]);
      }
      const weight: Images = { layout: dw, images: 1, data: numbers(count, 7, 0), shape };
      const found = runKernel(plainInputGradient(layer), [dy, weight], { layout: layer.x, images });
      const inputs = { dy: tensorOfImages(dy), weight: tensorOfImages(weight) };
      const size = [layer.x.height, layer.x.width] as const;
      const all = [images, layer.x.channels, ...size];
      const exact = evaluateOp({ op: "conv2dInputGradient", attributes: { ...options, size } }, inputs, all);
      expect(differences(found, exact, (at) => 2 ** -23 * Math.abs(exact[at]!) + 1e-9)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

it("turned weights exchange the channels of each group and reverse the taps", () => {
  const data = Float32Array.from({ length: 4 * 3 * 2 }, (_, at) => at); // [4, 3, 1, 2] in 2 groups
  const weight: Images = { layout: layoutOf([1, 24, 1, 1], "host"), images: 1, data };
  const kernel = turned({ outputs: 4, inputs: 3, taps: 2, groups: 2 });
  const found = runKernel(kernel, [weight], { layout: weight.layout, images: 1 });
  // [6, 2, 1, 2]: channel c of group g has outputs 2g and 2g + 1
  const row = (output: number, channel: number) => [6 * output + 2 * channel + 1, 6 * output + 2 * channel];
  const expected = [0, 1].flatMap((group) => [0, 1, 2].flatMap((c) => [0, 1].flatMap((o) => row(2 * group + o, c))));
  expect([...found]).toEqual(expected);
});
