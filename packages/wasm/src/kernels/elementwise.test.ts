import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf, NO_BORDER } from "../layout.ts";
import { gamma, lastPlace } from "../testing/differences.ts";
import { sizesOf, target, wrongIn } from "../testing/hold.ts";
import { type Images, numbers, quadsOfSize, someImages } from "../testing/images.ts";
import { add, batchNorm, multiply, relu, sigmoid } from "./elementwise.ts";

const numRuns = 80;
const around = quadsOfSize(1, 1, 1);

/** Other numbers of the same size, in a border of their own. */
function like(x: Images, pads: Images["layout"], seed: number): Images {
  return { ...x, layout: { ...x.layout, border: pads.border }, data: numbers(x.data.length, seed, 0.05) };
}

describe("one rounding of a number", () => {
  it("add", () => {
    fc.assert(
      fc.property(someImages(), around, around, (a, pads, toPads) => {
        const b = like(a, pads, 1);
        const [shape, y] = [sizesOf(a), target(sizesOf(a), toPads)];
        expect(wrongIn({ kernel: add(a.layout, b.layout, y), op: "add", inputs: { a, b }, shape, y })).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("multiply by a gate for each element", () => {
    fc.assert(
      fc.property(someImages(), around, around, (x, pads, toPads) => {
        const gate = like(x, pads, 2);
        const [shape, y] = [sizesOf(x), target(sizesOf(x), toPads)];
        const kernel = multiply(x.layout, gate.layout, y);
        expect(wrongIn({ kernel, op: "multiply", inputs: { x, gate }, shape, y })).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("multiply by a gate for each channel", () => {
    fc.assert(
      fc.property(someImages(), around, (x, toPads) => {
        const { channels } = x.layout;
        const gate: Images = {
          layout: layoutOf([x.images, channels, 1, 1]),
          images: x.images,
          data: numbers(x.images * channels, 3, 0.05),
        };
        const [shape, y] = [sizesOf(x), target(sizesOf(x), toPads)];
        const kernel = multiply(x.layout, gate.layout, y);
        expect(wrongIn({ kernel, op: "multiply", inputs: { x, gate }, shape, y })).toEqual([]);
      }),
      { numRuns },
    );
  });

  it("relu keeps NaN", () => {
    fc.assert(
      fc.property(someImages(), around, (x, toPads) => {
        const [shape, y] = [sizesOf(x), target(sizesOf(x), toPads)];
        expect(wrongIn({ kernel: relu(x.layout, y), op: "relu", inputs: { x }, shape, y })).toEqual([]);
      }),
      { numRuns },
    );
  });
});

it("sigmoid is within the last place, of large numbers too", () => {
  fc.assert(
    fc.property(someImages(), fc.constantFrom(1, 5, 22, 26, 100), around, (image, scale, toPads) => {
      const x = { ...image, data: image.data.map((value) => value * scale) };
      const [shape, y] = [sizesOf(x), target(sizesOf(x), toPads)];
      const kernel = sigmoid(x.layout, y);
      expect(wrongIn({ kernel, op: "sigmoid", inputs: { x }, shape, y, bound: lastPlace })).toEqual([]);
    }),
    { numRuns },
  );
});

it("batchNorm is four roundings of (x − mean) · gain + shift", () => {
  fc.assert(
    fc.property(someImages(), around, fc.constantFrom(0, 1e-5, 1e-3), fc.nat(), (x, toPads, epsilon, seed) => {
      const { channels } = x.layout;
      const perChannel = layoutOf([channels]);
      const of = (at: number, change = (value: number) => value): Images => ({
        layout: perChannel,
        images: 1,
        shape: [channels],
        data: numbers(channels, seed + at, 0).map(change),
      });
      const variance = of(3, (value) => value ** 2 + 0.01);
      const inputs = { x, scale: of(0), shift: of(1), mean: of(2), variance };
      const [shape, y] = [sizesOf(x), target(sizesOf(x), toPads)];
      const kernel = batchNorm(x.layout, perChannel, epsilon, y);
      // The answer for |inputs| takes the mean off |x|: 8 / 0.1 · 4 is the most that 2·|mean|·gain can be.
      const bound = (_: number, size: number) => gamma(4) * (Math.abs(size) + 320);
      const attributes = { epsilon };
      expect(wrongIn({ kernel, op: "batchNorm", attributes, inputs, shape, y, bound })).toEqual([]);
    }),
    { numRuns },
  );
});

it("a gate for each channel of one pixel is one for each element, too", () => {
  const one: Images = { layout: layoutOf([2, 5, 1, 1]), images: 2, data: numbers(10, 1, 0) };
  const y = { ...one.layout, border: NO_BORDER };
  const kernel = multiply(one.layout, one.layout, y);
  expect(wrongIn({ kernel, op: "multiply", inputs: { x: one, gate: one }, shape: [2, 5, 1, 1], y })).toEqual([]);
});
