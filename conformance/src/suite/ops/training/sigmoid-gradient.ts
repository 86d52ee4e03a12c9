import { tensor } from "@residual/core";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { alike } from "./drafts.ts";

export const sigmoidGradient: OpSuite<"sigmoidGradient"> = {
  byHand: [
    {
      name: "dy · y · (1 − y)",
      inputs: { y: tensor([3], [0.5, 0.25, 0.75]), dy: tensor([3], [4, 16, -16]) },
      expected: tensor([3], [1, 3, -3]),
    },
    {
      name: "0 where a gate is saturated",
      inputs: { y: tensor([2], [0, 1]), dy: counting([2]) },
      expected: tensor([2], [0, 0]),
    },
    {
      name: "of gates",
      inputs: { y: tensor([1, 2, 1, 1], [0.5, 0.25]), dy: tensor([1, 2, 1, 1], [8, -16]) },
      expected: tensor([1, 2, 1, 1], [2, -3]),
    },
    { name: "of rows", inputs: { y: tensor([1, 1], [0.5]), dy: tensor([1, 1], [2]) }, expected: tensor([1, 1], [0.5]) },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { y: tensor([2], [0.5, nan]), dy: tensor([2], [nan, 1]) },
      expected: tensor([2], [nan, nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: alike("y", "dy"),
  ranges: { y: [0, 1] },
};
