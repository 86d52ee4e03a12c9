import { tensor } from "@residual/core";
import fc from "fast-check";
import { upTo } from "../drafts.ts";
import { nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const linearInputGradient: OpSuite<"linearInputGradient"> = {
  byHand: [
    {
      name: "weights of a square layer are [out, in]",
      inputs: { dy: tensor([1, 2], [1, 2]), weight: tensor([2, 2], [1, 10, 100, 1000]) },
      expected: tensor([1, 2], [201, 2010]),
    },
    {
      name: "each row of a batch",
      inputs: { dy: tensor([2, 1], [1, 2]), weight: tensor([1, 3], [1, 2, 3]) },
      expected: tensor([2, 3], [1, 2, 3, 2, 4, 6]),
    },
    {
      name: "a sum over outputs",
      inputs: { dy: tensor([1, 3], [1, 10, 100]), weight: tensor([3, 1], [1, 2, 3]) },
      expected: tensor([1, 1], [321]),
    },
    {
      name: "nine outputs: the last is not lost where sums go by eight",
      inputs: { dy: tensor([1, 9], [0, 0, 0, 0, 0, 0, 0, 0, 2]), weight: tensor([9, 1], [1, 1, 1, 1, 1, 1, 1, 1, 3]) },
      expected: tensor([1, 1], [6]),
    },
  ],
  special: [
    {
      name: "NaN stays in its row",
      inputs: { dy: tensor([2, 1], [nan, 1]), weight: tensor([1, 2], [1, 2]) },
      expected: tensor([2, 2], [nan, nan, 1, 2]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.tuple(upTo(4), upTo(40), upTo(20)).map(([n, inputs, outputs]) => ({
    shapes: { dy: [n, outputs], weight: [outputs, inputs] },
  })),
};
