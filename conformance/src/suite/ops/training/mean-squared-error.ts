import { tensor } from "@residual/core";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { alike } from "./drafts.ts";

export const meanSquaredError: OpSuite<"meanSquaredError"> = {
  byHand: [
    {
      name: "the mean of all squares",
      inputs: { x: tensor([2, 2], [1, 2, 3, 4]), target: tensor([2, 2], [0, 0, 5, 1]) },
      expected: tensor([], [4.5]), // (1 + 4 + 4 + 9) / 4
    },
    { name: "no difference", inputs: { x: counting([3]), target: counting([3]) }, expected: tensor([], [0]) },
    { name: "of a scalar", inputs: { x: tensor([], [1]), target: tensor([], [4]) }, expected: tensor([], [9]) },
    {
      name: "of images",
      inputs: { x: counting([1, 2, 1, 2]), target: tensor([1, 2, 1, 2], [0, 0, 0, 0]) },
      expected: tensor([], [7.5]),
    },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { x: tensor([2], [1, nan]), target: tensor([2], [1, 1]) },
      expected: tensor([], [nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: alike("x", "target"),
};
