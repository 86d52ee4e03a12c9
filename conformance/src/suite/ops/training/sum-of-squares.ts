import { tensor } from "@residual/core";
import fc from "fast-check";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { any } from "./drafts.ts";

export const sumOfSquares: OpSuite<"sumOfSquares"> = {
  byHand: [
    { name: "of a matrix", inputs: { x: counting([2, 2]) }, expected: tensor([], [30]) },
    { name: "added to a total", inputs: { x: counting([3]), total: tensor([], [100]) }, expected: tensor([], [114]) },
    {
      name: "of a kernel",
      inputs: { x: counting([2, 1, 1, 2], -1), total: tensor([], [0.5]) },
      expected: tensor([], [6.5]),
    },
    { name: "of a scalar", inputs: { x: tensor([], [-3]) }, expected: tensor([], [9]) },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { x: tensor([2], [1, nan]), total: tensor([], [1]) },
      expected: tensor([], [nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(any, fc.boolean()).map(([x, isAdded]) => ({ shapes: { x, ...(isAdded && { total: [] }) } })),
};
