import { tensor } from "@residual/core";
import fc from "fast-check";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { any } from "./drafts.ts";

export const movingAverage: OpSuite<"movingAverage"> = {
  byHand: [
    {
      name: "shares of average and value",
      inputs: { average: tensor([2], [4, 8]), value: tensor([2], [8, -8]) },
      options: { keep: 0.75 },
      expected: tensor([2], [5, 4]),
    },
    {
      name: "momentum: the whole value is added",
      inputs: { average: tensor([2], [4, 8]), value: tensor([2], [1, 2]) },
      options: { keep: 0.5, share: 1 },
      expected: tensor([2], [3, 6]),
    },
    {
      name: "decay adds a part of the parameter to the value", // 0.5 · 4 + 1 + 0.25 · 8
      inputs: { average: tensor([1], [4]), value: tensor([1], [1]), parameter: tensor([1], [8]) },
      options: { keep: 0.5, share: 1, decay: 0.25 },
      expected: tensor([1], [5]),
    },
    {
      name: "the factor is of the value, not of the parameter", // 0.5 · 4 + 0.5 · 1 + 0.25 · 8
      inputs: {
        average: tensor([1], [4]),
        value: tensor([1], [1]),
        parameter: tensor([1], [8]),
        factor: tensor([], [0.5]),
      },
      options: { keep: 0.5, share: 1, decay: 0.25 },
      expected: tensor([1], [4.5]),
    },
    {
      name: "squared: the square of the value with its decay", // 0.5 · 2 + 0.5 · (1 + 0.5 · 4)²
      inputs: { average: tensor([1], [2]), value: tensor([1], [1]), parameter: tensor([1], [4]) },
      options: { keep: 0.5, decay: 0.5, squared: true },
      expected: tensor([1], [5.5]),
    },
    {
      name: "a scalar",
      inputs: { average: tensor([], [0]), value: tensor([], [1]) },
      options: { keep: 0.75 },
      expected: tensor([], [0.25]),
    },
    {
      name: "each element of a kernel",
      inputs: { average: counting([5, 1, 1, 1]), value: counting([5, 1, 1, 1], 11) },
      options: { keep: 0.5 },
      expected: counting([5, 1, 1, 1], 6),
    },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { average: tensor([2], [nan, 1]), value: tensor([2], [1, nan]) },
      options: { keep: 0.5 },
      expected: tensor([2], [nan, nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc
    .record({
      shape: any,
      keep: fc.constantFrom(0.9, 0.999),
      isWhole: fc.boolean(),
      decays: fc.boolean(),
      isScaled: fc.boolean(),
      squared: fc.boolean(),
    })
    .map(({ shape, keep, isWhole, decays, isScaled, squared }) => ({
      shapes: {
        average: shape,
        value: shape,
        ...(decays && { parameter: shape }),
        ...(isScaled && { factor: [] }),
      },
      attributes: { keep, decay: decays ? 0.3 : 0, squared, ...(isWhole && { share: 1 }) },
    })),
};
