import { tensor } from "@residual/core";
import fc from "fast-check";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { any } from "./drafts.ts";

export const descend: OpSuite<"descend"> = {
  byHand: [
    {
      name: "against the direction",
      inputs: { parameter: tensor([2], [1, 2]), direction: tensor([2], [4, -8]), learningRate: tensor([], [0.5]) },
      expected: tensor([2], [-1, 6]),
    },
    {
      name: "the parameter's rate factor",
      inputs: { parameter: tensor([1], [1]), direction: tensor([1], [4]), learningRate: tensor([], [0.5]) },
      options: { rate: 0.25 },
      expected: tensor([1], [0.5]),
    },
    {
      name: "decay: a part of the parameter joins the direction", // 2 − 0.5 · (4 + 0.25 · 2)
      inputs: { parameter: tensor([1], [2]), direction: tensor([1], [4]), learningRate: tensor([], [0.5]) },
      options: { decay: 0.25 },
      expected: tensor([1], [-0.25]),
    },
    {
      name: "each element of a kernel",
      inputs: { parameter: counting([5, 1, 1, 1]), direction: counting([5, 1, 1, 1]), learningRate: tensor([], [1]) },
      expected: tensor([5, 1, 1, 1], [0, 0, 0, 0, 0]),
    },
    {
      name: "a learning rate of 0 changes nothing",
      inputs: { parameter: counting([2, 2]), direction: counting([2, 2]), learningRate: tensor([], [0]) },
      options: { decay: 0.5 },
      expected: counting([2, 2]),
    },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { parameter: tensor([2], [nan, 1]), direction: tensor([2], [1, nan]), learningRate: tensor([], [1]) },
      expected: tensor([2], [nan, nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(any, fc.constantFrom(1, 0.1), fc.constantFrom(0, 0.3)).map(([shape, rate, decay]) => ({
    shapes: { parameter: shape, direction: shape, learningRate: [] },
    attributes: { rate, decay },
  })),
};
