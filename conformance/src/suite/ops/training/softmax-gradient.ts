import { tensor } from "@residual/core";
import { nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { alikeRows } from "./drafts.ts";

export const softmaxGradient: OpSuite<"softmaxGradient"> = {
  byHand: [
    {
      name: "y · (dy − Σ dy · y)", // Σ = 2
      inputs: { y: tensor([1, 2], [0.5, 0.5]), dy: tensor([1, 2], [1, 3]) },
      expected: tensor([1, 2], [-0.5, 0.5]),
    },
    {
      name: "a gradient that is the same for each class gives 0",
      inputs: { y: tensor([1, 3], [0.25, 0.25, 0.5]), dy: tensor([1, 3], [4, 4, 4]) },
      expected: tensor([1, 3], [0, 0, 0]),
    },
    {
      name: "each row by itself", // Σ = 1, 4
      inputs: { y: tensor([2, 2], [0.25, 0.75, 1, 0]), dy: tensor([2, 2], [4, 0, 4, 8]) },
      expected: tensor([2, 2], [0.75, -0.75, 0, 0]),
    },
    { name: "one class", inputs: { y: tensor([1, 1], [1]), dy: tensor([1, 1], [5]) }, expected: tensor([1, 1], [0]) },
  ],
  special: [
    {
      name: "NaN reaches its row",
      inputs: { y: tensor([2, 2], [0.5, 0.5, 0.5, 0.5]), dy: tensor([2, 2], [nan, 1, 1, 3]) },
      expected: tensor([2, 2], [nan, nan, -0.5, 0.5]),
      shows: ["drops NaN"],
    },
  ],
  draft: alikeRows("y", "dy"),
  ranges: { y: [0, 1] },
};
