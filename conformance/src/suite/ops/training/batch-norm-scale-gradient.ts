import { tensor } from "@residual/core";
import fc from "fast-check";
import { image } from "../drafts.ts";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

const unit = { mean: tensor([1], [0]), variance: tensor([1], [1]) };

export const batchNormScaleGradient: OpSuite<"batchNormScaleGradient"> = {
  byHand: [
    {
      name: "Σ dy · x for a mean of 0 and a variance of 1",
      inputs: { x: counting([1, 1, 1, 3]), dy: tensor([1, 1, 1, 3], [1, 10, 100]), ...unit },
      options: { epsilon: 0 },
      expected: tensor([1], [321]),
    },
    {
      name: "mean and variance of each channel", // ((1 − 3) / 2 · 10), ((8 − 2) / 3 · 5)
      inputs: {
        x: tensor([1, 2, 1, 1], [1, 8]),
        dy: tensor([1, 2, 1, 1], [10, 5]),
        mean: tensor([2], [3, 2]),
        variance: tensor([2], [4, 9]),
      },
      options: { epsilon: 0 },
      expected: tensor([2], [-10, 10]),
    },
    {
      name: "epsilon is added to the variance, under the root", // 3 / √(0.5625 + 0.4375)
      inputs: {
        x: tensor([1, 1, 1, 1], [3]),
        dy: tensor([1, 1, 1, 1], [2]),
        mean: tensor([1], [0]),
        variance: tensor([1], [0.5625]),
      },
      options: { epsilon: 0.4375 },
      expected: tensor([1], [6]),
    },
    {
      name: "a sum over images and pixels",
      inputs: { x: counting([2, 1, 1, 2]), dy: tensor([2, 1, 1, 2], [1, 1, 1, 1]), ...unit },
      options: { epsilon: 0 },
      expected: tensor([1], [10]),
    },
  ],
  special: [
    {
      name: "NaN in dy reaches its channel",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]), dy: tensor([1, 1, 1, 2], [nan, 1]), ...unit },
      expected: tensor([1], [nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(image, fc.constantFrom(1e-5, 1e-3, 0.25)).map(([x, epsilon]) => ({
    shapes: { x, dy: x, mean: [x[1]], variance: [x[1]] },
    attributes: { epsilon },
  })),
  ranges: { variance: [0.5, 1.5] },
};
