import { input, ops } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ImageLayout, inOrder, layoutOf } from "../layout.ts";
import { shapeOf, sizesOf, target, wrongIn } from "../testing/hold.ts";
import { content, type Images, numbers, quadsOfSize, sizes, someImages } from "../testing/images.ts";
import { runKernel } from "../testing/run-kernel.ts";
import { border, convert, flatten, padChannels, subsample, zeroPad2d } from "./convert.ts";

const numRuns = 80;
const whole = (min: number, max: number) => fc.integer({ min, max });
const around = quadsOfSize(1, 1, 1);
const orders = fc.constantFrom("host", "quads", "pixels");

/** The same images in two layouts, each in any order; a border may lie around all but the host's. */
const moved = fc
  .tuple(sizes, content, orders, orders, around, around)
  .map(([{ images, channels, height, width }, { seed, oddness }, from, to, before, after]) => {
    const layout = (order: ImageLayout["order"], { border: pads }: ImageLayout): ImageLayout => {
      const size = { order, channels, height, width };
      return order === "host" ? inOrder({ ...size, border: pads }, "host") : { ...size, border: pads };
    };
    const x: Images = {
      layout: layout(from, before),
      images,
      data: numbers(images * channels * height * width, seed, oddness),
    };
    return { x, y: layout(to, after) };
  });

const bits = (numbers: Float32Array) => new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length);

describe("convert", () => {
  const holds = (x: Images, y: ImageLayout) =>
    expect(bits(runKernel(convert(x.layout, y), [x], { layout: y, images: x.images }))).toEqual(bits(x.data));

  it("keeps each number, from any order to any other", () => {
    fc.assert(
      fc.property(moved, ({ x, y }) => {
        fc.pre(x.layout.order !== "host" || y.order !== "host"); // which the builder never asks for
        holds(x, y);
      }),
      { numRuns: 400 },
    );
  });

  it.each([1, 2, 3, 4, 5, 8])(
    "brings images of %d channels in for the stem, with a border and odd rows",
    (channels) => {
      for (const width of [4, 13, 16, 30]) {
        const layout = layoutOf([2, channels, 9, width], "host");
        const x = { layout, images: 2, data: numbers(2 * channels * 9 * width, width, 0) };
        for (const order of ["quads", "pixels"] as const) holds(x, { ...layout, order, border: [3, 3, 2, 2] });
      }
    },
  );
});

it("flatten lays an image out as the host has it", () => {
  fc.assert(
    fc.property(someImages(), (x) => {
      const { channels, height, width } = x.layout;
      const shape = [x.images, channels * height * width];
      const y = layoutOf(shape);
      expect(wrongIn({ kernel: flatten(x.layout, y), op: "flatten", inputs: { x }, shape, y })).toEqual([]);
    }),
    { numRuns },
  );
});

it("subsample keeps every stride-th pixel", () => {
  fc.assert(
    fc.property(someImages(), fc.tuple(whole(1, 4), whole(1, 4)), around, (x, stride, pads) => {
      const shape = shapeOf(() => ops.subsample({ x: input("x", sizesOf(x)) }, { stride }));
      const y = target(shape, pads);
      const kernel = subsample(x.layout, y, stride);
      expect(wrongIn({ kernel, op: "subsample", attributes: { stride }, inputs: { x }, shape, y })).toEqual([]);
    }),
    { numRuns },
  );
});

it("padChannels puts zeros before and behind, by fours of channels and by one", () => {
  fc.assert(
    fc.property(someImages(), whole(0, 9), whole(0, 9), around, (x, before, after, pads) => {
      const attributes = { before, after };
      const shape = shapeOf(() => ops.padChannels({ x: input("x", sizesOf(x)) }, attributes));
      const y = target(shape, pads);
      const kernel = padChannels(x.layout, y, before);
      expect(wrongIn({ kernel, op: "padChannels", attributes, inputs: { x }, shape, y })).toEqual([]);
    }),
    { numRuns },
  );
});

it("zeroPad2d puts zeros around", () => {
  const sides = fc.tuple(whole(0, 3), whole(0, 3), whole(0, 3), whole(0, 3));
  fc.assert(
    fc.property(someImages(), sides, around, (x, padding, pads) => {
      const attributes = { padding };
      const shape = shapeOf(() => ops.zeroPad2d({ x: input("x", sizesOf(x)) }, attributes));
      const y = target(shape, pads);
      const kernel = zeroPad2d(x.layout, y, [padding[0], padding[1]]);
      expect(wrongIn({ kernel, op: "zeroPad2d", attributes, inputs: { x }, shape, y })).toEqual([]);
    }),
    { numRuns },
  );
});

describe("border", () => {
  /** The whole of a bordered layout, as an image without a border. */
  function whole({ border: [top, left, bottom, right], ...layout }: ImageLayout): ImageLayout {
    const [height, width] = [top + layout.height + bottom, left + layout.width + right];
    return { ...layout, height, width, border: [0, 0, 0, 0] };
  }

  it.each(["quads", "pixels"] as const)("clears what lies around an image in %s, and nothing inside", (order) => {
    fc.assert(
      fc.property(someImages(), ({ layout: quads, images }) => {
        const layout: ImageLayout = { ...quads, order };
        const [top, left, bottom, right] = layout.border;
        fc.pre(top + left + bottom + right > 0);
        const all = whole(layout);
        const found = runKernel(border(layout), [], { layout: all, images });
        let at = 0;
        for (let plane = 0; plane < images * layout.channels; plane++)
          for (let row = 0; row < all.height; row++)
            for (let column = 0; column < all.width; column++, at++) {
              const isInside =
                row >= top && row < top + layout.height && column >= left && column < left + layout.width;
              expect(found[at], `row ${row}, column ${column} of ${plane}`).toBe(isInside ? Number.NaN : 0);
            }
      }),
      { numRuns: 60 },
    );
  });
});
