import { tensor } from "@residual/core";
import fc from "fast-check";
import { image } from "../drafts.ts";
import { nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

const one = (value: number) => tensor([1], [value]);
const two = (first: number, second: number) => tensor([1, 1, 1, 2], [first, second]);

export const batchNormInputGradient: OpSuite<"batchNormInputGradient"> = {
  byHand: [
    {
      name: "scale · dy / deviation where the sums are 0", // 6 / √4 · dy
      inputs: {
        x: two(1, 2),
        dy: two(1, -1),
        scale: one(6),
        mean: one(1.5),
        variance: one(4),
        scaleGradient: one(0),
        shiftGradient: one(0),
      },
      options: { epsilon: 0 },
      expected: two(3, -3),
    },
    {
      name: "the mean of dy is subtracted", // 2 · (dy − 8 / 2)
      inputs: {
        x: two(1, 2),
        dy: two(3, 5),
        scale: one(2),
        mean: one(1.5),
        variance: one(1),
        scaleGradient: one(0),
        shiftGradient: one(8),
      },
      options: { epsilon: 0 },
      expected: two(-2, 2),
    },
    {
      name: "x's share of the scale's gradient is subtracted", // r = 1/2: 1/2 · (dy − (x − 3) / 2 · 8 / 2)
      inputs: {
        x: two(1, 5),
        dy: two(1, 1),
        scale: one(1),
        mean: one(3),
        variance: one(3),
        scaleGradient: one(8),
        shiftGradient: one(0),
      },
      options: { epsilon: 1 },
      expected: two(2.5, -1.5),
    },
    {
      name: "each channel, over images and pixels", // (dy − 4 / 2) · scale
      inputs: {
        x: tensor([2, 2, 1, 1], [0, 0, 0, 0]),
        dy: tensor([2, 2, 1, 1], [1, 2, 3, 4]),
        scale: tensor([2], [1, 10]),
        mean: tensor([2], [0, 0]),
        variance: tensor([2], [1, 1]),
        scaleGradient: tensor([2], [5, 5]),
        shiftGradient: tensor([2], [4, 6]),
      },
      options: { epsilon: 0 },
      expected: tensor([2, 2, 1, 1], [-1, -10, 1, 10]),
    },
  ],
  special: [
    {
      name: "NaN in dy",
      inputs: {
        x: two(1, 2),
        dy: two(nan, 1),
        scale: one(1),
        mean: one(1.5),
        variance: one(1),
        scaleGradient: one(nan),
        shiftGradient: one(nan),
      },
      expected: two(nan, nan),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(image, fc.constantFrom(1e-5, 1e-3, 0.25)).map(([x, epsilon]) => {
    const vector = [x[1]];
    return {
      shapes: {
        x,
        dy: x,
        scale: vector,
        mean: vector,
        variance: vector,
        scaleGradient: vector,
        shiftGradient: vector,
      },
      attributes: { epsilon },
    };
  }),
  ranges: { variance: [0.5, 1.5] },
};
