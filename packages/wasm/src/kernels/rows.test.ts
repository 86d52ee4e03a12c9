import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layoutOf } from "../layout.ts";
import { lastPlace } from "../testing/differences.ts";
import { wrongIn } from "../testing/hold.ts";
import { type Images, numbers } from "../testing/images.ts";
import { logSoftmax, softmax } from "./rows.ts";

/** Rows of logits: nearly alike, some apart, so far apart that most probabilities are 0, and with odd numbers. */
const rows = fc
  .record({
    images: fc.integer({ min: 1, max: 4 }),
    classes: fc.oneof(fc.integer({ min: 1, max: 21 }), fc.constantFrom(1000, 1001)),
    seed: fc.nat(),
    scale: fc.constantFrom(1e-6, 1, 10, 1000),
    oddness: fc.constantFrom(0, 0, 0, 0.01),
  })
  .map(({ images, classes, seed, scale, oddness }): Images => {
    const shape = [images, classes];
    const data = numbers(images * classes, seed, oddness).map((value) => value * scale);
    return { layout: layoutOf(shape), images, data, shape };
  });

describe("each probability is within its last place", () => {
  it.each([
    ["softmax", softmax],
    ["logSoftmax", logSoftmax],
  ] as const)("%s", (op, make) => {
    fc.assert(
      fc.property(rows, (x) => {
        const { layout } = x;
        const kernel = make(layout, layout);
        // Differences of nearly equal logarithms lose float64's last places: 2⁻⁴⁸ of the logits' size.
        const bound = (exact: number) => lastPlace(exact) + (op === "logSoftmax" ? 2 ** -36 : 0);
        const shape = [x.images, layout.channels];
        expect(wrongIn({ kernel, op, inputs: { x }, shape, y: layout, bound })).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
