import { tensor } from "@residual/core";
import fc from "fast-check";
import { upTo } from "../drafts.ts";
import { nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const linearWeightGradient: OpSuite<"linearWeightGradient"> = {
  byHand: [
    {
      name: "[out, in]: a product of each output with each input",
      inputs: { x: tensor([1, 2], [2, 3]), dy: tensor([1, 2], [1, 10]) },
      expected: tensor([2, 2], [2, 3, 20, 30]),
    },
    {
      name: "a sum over the batch",
      inputs: { x: tensor([3, 1], [1, 2, 3]), dy: tensor([3, 1], [1, 10, 100]) },
      expected: tensor([1, 1], [321]),
    },
    {
      name: "more inputs than outputs",
      inputs: { x: tensor([2, 3], [1, 2, 3, 4, 5, 6]), dy: tensor([2, 1], [1, 10]) },
      expected: tensor([1, 3], [41, 52, 63]),
    },
    {
      name: "more outputs than inputs",
      inputs: { x: tensor([2, 1], [1, 10]), dy: tensor([2, 3], [1, 2, 3, 4, 5, 6]) },
      expected: tensor([3, 1], [41, 52, 63]),
    },
  ],
  special: [
    {
      name: "NaN stays with its output",
      inputs: { x: tensor([1, 2], [1, 2]), dy: tensor([1, 2], [nan, 1]) },
      expected: tensor([2, 2], [nan, nan, 1, 2]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(upTo(9), upTo(40), upTo(20)).map(([n, inputs, outputs]) => ({
    shapes: { x: [n, inputs], dy: [n, outputs] },
  })),
};
