import { tensor } from "@residual/core";
import fc from "fast-check";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { any } from "./drafts.ts";

const one = (value: number) => tensor([1], [value]);
const scalar = (value: number) => tensor([], [value]);
const first = { meanWeight: scalar(1), squareWeight: scalar(1), learningRate: scalar(1) };

export const adamStep: OpSuite<"adamStep"> = {
  byHand: [
    {
      name: "the mean over the root of the square", // 1 − 0.5 · 6 / √9
      inputs: { ...first, parameter: one(1), mean: one(6), square: one(9), learningRate: scalar(0.5) },
      options: { epsilon: 0 },
      expected: one(0),
    },
    {
      name: "moments are corrected for their start at 0", // 1 − (4 / 0.5) / √(1 / 0.0625)
      inputs: {
        ...first,
        parameter: one(1),
        mean: one(4),
        square: one(1),
        meanWeight: scalar(0.5),
        squareWeight: scalar(0.0625),
      },
      options: { epsilon: 0 },
      expected: one(-1),
    },
    {
      name: "epsilon is added to the root, not under it", // 1 − 6 / (√9 + 1)
      inputs: { ...first, parameter: one(1), mean: one(6), square: one(9) },
      options: { epsilon: 1 },
      expected: one(-0.5),
    },
    {
      name: "decay is decoupled, and rate is of both", // 2 − 0.5 · (1 + 0.25 · 2)
      inputs: { ...first, parameter: one(2), mean: one(3), square: one(9) },
      options: { epsilon: 0, decay: 0.25, rate: 0.5 },
      expected: one(1.25),
    },
    {
      name: "no gradient yet: no step",
      inputs: { ...first, parameter: one(2), mean: one(0), square: one(0) },
      expected: one(2),
    },
    {
      name: "each element of a kernel",
      inputs: {
        ...first,
        parameter: counting([5, 1, 1, 1]),
        mean: tensor([5, 1, 1, 1], [1, 2, 3, 4, 5]),
        square: tensor([5, 1, 1, 1], [1, 4, 9, 16, 25]),
      },
      options: { epsilon: 0 },
      expected: counting([5, 1, 1, 1], 0),
    },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { ...first, parameter: tensor([2], [1, 1]), mean: tensor([2], [nan, 1]), square: tensor([2], [1, nan]) },
      expected: tensor([2], [nan, nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc
    .tuple(any, fc.constantFrom(1, 0.1), fc.constantFrom(0, 0.3), fc.constantFrom(1e-8, 1e-3))
    .map(([shape, rate, decay, epsilon]) => ({
      shapes: { parameter: shape, mean: shape, square: shape, meanWeight: [], squareWeight: [], learningRate: [] },
      attributes: { epsilon, rate, decay },
    })),
  ranges: { square: [0, 1], meanWeight: [0.1, 1], squareWeight: [0.1, 1] },
};
