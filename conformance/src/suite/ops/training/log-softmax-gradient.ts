import { tensor } from "@residual/core";
import { exactly, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { alikeRows } from "./drafts.ts";

export const logSoftmaxGradient: OpSuite<"logSoftmaxGradient"> = {
  byHand: [
    {
      name: "dy − softmax(x) · Σ dy", // 1/2 · 4
      inputs: { x: tensor([1, 2], [7, 7]), dy: tensor([1, 2], [1, 3]) },
      expected: tensor([1, 2], [-1, 1]),
    },
    {
      name: "dy alone if it sums to 0",
      inputs: { x: tensor([1, 3], [1, 2, 3]), dy: tensor([1, 3], [2, -3, 1]) },
      expected: tensor([1, 3], [2, -3, 1]),
    },
    {
      name: "each row by itself", // softmax 1/4, 3/4
      inputs: { x: tensor([2, 2], [0, Math.log(3), 0, 0]), dy: tensor([2, 2], [4, 0, 0, 2]) },
      expected: exactly([2, 2], [3, -3, -1, 1]),
    },
    { name: "one class", inputs: { x: tensor([1, 1], [3]), dy: tensor([1, 1], [5]) }, expected: tensor([1, 1], [0]) },
  ],
  special: [
    {
      name: "NaN reaches its row",
      inputs: { x: tensor([2, 2], [1, 1, 1, 1]), dy: tensor([2, 2], [nan, 1, 1, 3]) },
      expected: tensor([2, 2], [nan, nan, -1, 1]),
      shows: ["drops NaN"],
    },
  ],
  draft: alikeRows("x", "dy"),
};
