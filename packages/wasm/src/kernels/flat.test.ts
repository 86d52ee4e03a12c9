import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { v128 } from "../encode/expression.ts";
import { layoutOf } from "../layout.ts";
import { gamma } from "../testing/differences.ts";
import { type Images, numbers } from "../testing/images.ts";
import { runKernel } from "../testing/run-kernel.ts";
import type { Elementwise } from "./elementwise.ts";
import { flat, total } from "./flat.ts";

/** A row of numbers as one image, or as several. */
function row(data: Float32Array, images = 1): Images {
  return { layout: layoutOf([images, data.length / images, 1, 1], "host"), images, data };
}

/** Around the numbers of a vector, of an unrolled turn, and of a task. */
const lengths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4090, max: 4120 }), fc.constant(12_345));

const product: Elementwise = { name: "product", make: (_, [a, b]) => v128.mul(a!, b!) };
const shifted: Elementwise = { name: "x + 1", make: (_, [x]) => v128.add(x!, v128.const(1)) };

/** A kernel that counts numbers as images reads and writes images of one number. */
const single = (length: number) => layoutOf([length, 1, 1, 1], "host");

describe("flat", () => {
  it("processes each number once, and no other", () => {
    fc.assert(
      fc.property(lengths, (length) => {
        const [a, b] = [numbers(length, 1, 0.01), numbers(length, 2, 0.01)];
        const inputs = [a, b].map((data): Images => ({ layout: single(length), images: length, data }));
        const found = runKernel(flat(product, ["a", "b"]), inputs, { layout: single(length), images: length });
        expect(found).toEqual(a.map((value, at) => value * b[at]!));
      }),
      { numRuns: 30 },
    );
  });

  it("reads scalars, and images of an open batch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 200 }), (images, size) => {
        const a = row(numbers(images * size, 3, 0.01), images);
        const b = row(Float32Array.of(-1.5));
        const found = runKernel(flat(product, ["a"], ["b"], size), [a, b], { layout: a.layout, images });
        expect(found).toEqual(a.data.map((value) => value * -1.5));
      }),
      { numRuns: 30 },
    );
  });
});

describe("total", () => {
  it("is Σ f(x) plus the total, also where f(0) is not 0", () => {
    fc.assert(
      fc.property(lengths, fc.boolean(), (length, hasTotal) => {
        const data = numbers(length, 4, 0);
        const inputs = [row(data), ...(hasTotal ? [row(Float32Array.of(100))] : [])];
        const [found = Number.NaN] = runKernel(total(shifted, hasTotal, length), inputs, {
          layout: layoutOf([1], "host"),
          images: 1,
        });
        const exact = data.reduce((sum, value) => sum + value + 1, hasTotal ? 100 : 0);
        // a chunk's numbers are in 16 sums of 256 terms; float64 adds the rest
        const size = data.reduce((sum, value) => sum + Math.abs(value) + 1, 100);
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(gamma(256 + 4) * size);
      }),
      { numRuns: 30 },
    );
  });
});
