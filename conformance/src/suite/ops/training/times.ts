import { tensor } from "@residual/core";
import { throughBoth } from "../carry.ts";
import { counting, exactly, inf, large, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { rounded } from "../rounding.ts";
import { broadcast } from "./drafts.ts";

export const times: OpSuite<"times"> = {
  byHand: [
    {
      name: "element by element",
      inputs: { a: counting([2, 3]), b: tensor([2, 3], [1, 10, -1, 0.5, 0, 2]) },
      expected: tensor([2, 3], [1, 20, -3, 2, 0, 12]),
    },
    { name: "a scalar", inputs: { a: counting([2, 2]), b: tensor([], [3]) }, expected: tensor([2, 2], [3, 6, 9, 12]) },
    {
      name: "a factor for each channel",
      inputs: { a: counting([1, 2, 1, 2]), b: tensor([1, 2, 1, 1], [10, 100]) },
      expected: tensor([1, 2, 1, 2], [10, 20, 300, 400]),
    },
    {
      name: "a factor for each row",
      inputs: { a: counting([2, 2]), b: tensor([2, 1], [10, 100]) },
      expected: tensor([2, 2], [10, 20, 300, 400]),
    },
    {
      name: "a factor for each column of an image, the same in each channel",
      inputs: { a: counting([1, 2, 1, 2]), b: tensor([1, 1, 1, 2], [10, 100]) },
      expected: tensor([1, 2, 1, 2], [10, 200, 30, 400]),
    },
  ],
  special: [
    {
      name: "0 times infinity is NaN",
      inputs: { a: tensor([3], [inf, nan, 1]), b: tensor([3], [0, 0, 0]) },
      expected: tensor([3], [nan, nan, 0]),
      shows: ["drops NaN"],
    },
    {
      name: "beyond the largest number is infinity",
      inputs: { a: tensor([2], [1e38, -1e38]), b: tensor([], [1e38]) },
      expected: exactly([2], [large * large, -large * large]),
    },
  ],
  draft: broadcast.map(([a, b]) => ({ shapes: { a, b } })),
  bound: (_inputs, _attributes, answer) => rounded(answer, 3),
  carry: throughBoth("times", "a", "b"),
};
