import { evaluateOp, sizeOf } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../layout.ts";
import { differences, lastPlace } from "../testing/differences.ts";
import { type Images, numbers, tensorOfImages } from "../testing/images.ts";
import { runKernel } from "../testing/run-kernel.ts";
import { expand, sum } from "./broadcast.ts";

/** A tensor of any rank, as one image in the host's order. */
function tensorLike(shape: readonly number[], seed: number): Images {
  const data = numbers(sizeOf(shape), seed, 0);
  return { layout: layoutOf([1, sizeOf(shape), 1, 1], "host"), images: 1, data, shape };
}

const shapes = fc
  .array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
  .chain((large) =>
    fc.tuple(fc.constant(large), fc.array(fc.boolean(), { minLength: large.length, maxLength: large.length })),
  )
  .map(([large, keeps]) => ({ large, small: large.map((size, axis) => (keeps[axis] ? size : 1)), keeps }));

describe.each([
  ["a fixed batch", false],
  ["an open batch", true],
])("of %s", (_, isOpen) => {
  /** An open batch counts as 2 images where a kernel is made. */
  const counted = ([first = 1, ...rest]: readonly number[]) => [isOpen && first > 1 ? 2 : first, ...rest];
  const cases = shapes.filter(({ large }) => !isOpen || large[0]! > 1);

  const laid = (shape: readonly number[], images: number) => layoutOf([images, sizeOf(shape) / images, 1, 1], "host");

  it("expand repeats x", () => {
    fc.assert(
      fc.property(cases, ({ large, small }) => {
        const { kernel, images } = expand({ small: counted(small), large: counted(large), isOpen });
        const count = images === "N" ? large[0]! : images;
        const x = tensorLike(small, 1);
        const found = runKernel(kernel, [x], { layout: laid(large, count), images: count });
        const exact = evaluateOp({ op: "expand", attributes: { shape: large } }, { x: tensorOfImages(x) }, large);
        expect(differences(found, exact)).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  it("sum adds in float64 and rounds once", () => {
    // runKernel counts the images of y, so an open batch is kept
    const kept = cases.filter(({ keeps }) => !isOpen || keeps[0]!);
    fc.assert(
      fc.property(kept, ({ large, small, keeps }) => {
        const { kernel, images } = sum({ small: counted(small), large: counted(large), isOpen });
        const count = images === "N" ? large[0]! : images;
        const x = tensorLike(large, 2);
        const axes = keeps.flatMap((keep, axis) => (keep ? [] : [axis]));
        const found = runKernel(kernel, [x], { layout: laid(small, count), images: count });
        const exact = evaluateOp({ op: "sum", attributes: { axes } }, { x: tensorOfImages(x) }, small);
        // a float64 sum of some thousand numbers up to 4 errs by 1e-12, where it cancels, too
        expect(differences(found, exact, (at) => lastPlace(exact[at]!) + 1e-11)).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });
});
