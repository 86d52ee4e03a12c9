import { tensor } from "@residual/core";
import { exactly, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { alikeRows } from "./drafts.ts";

export const crossEntropy: OpSuite<"crossEntropy"> = {
  byHand: [
    {
      name: "log of the number of classes where all are alike",
      inputs: { logits: tensor([1, 4], [5, 5, 5, 5]), target: tensor([1, 4], [0, 1, 0, 0]) },
      expected: exactly([], [Math.log(4)]),
    },
    {
      name: "the mean over the batch", // log 2, log 2
      inputs: { logits: tensor([2, 2], [1, 1, -3, -3]), target: tensor([2, 2], [1, 0, 0, 1]) },
      expected: exactly([], [Math.log(2)]),
    },
    {
      name: "soft targets", // −(3/4 · log(1/4) + 1/4 · log(3/4)), with log 3 as float32 holds it
      inputs: { logits: tensor([1, 2], [0, Math.log(3)]), target: tensor([1, 2], [0.75, 0.25]) },
      expected: exactly([], [Math.log(1 + Math.exp(Math.fround(Math.log(3)))) - 0.25 * Math.fround(Math.log(3))]),
    },
    {
      name: "a certain and right prediction costs nothing",
      inputs: { logits: tensor([1, 2], [0, 200]), target: tensor([1, 2], [0, 1]) },
      expected: tensor([], [0]),
    },
    {
      name: "a certain and wrong prediction costs the difference",
      inputs: { logits: tensor([1, 2], [0, 64]), target: tensor([1, 2], [1, 0]) },
      expected: tensor([], [64]),
    },
  ],
  special: [
    {
      name: "NaN among the logits",
      inputs: { logits: tensor([2, 2], [nan, 1, 1, 1]), target: tensor([2, 2], [1, 0, 1, 0]) },
      expected: tensor([], [nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: alikeRows("logits", "target"),
  ranges: { target: [0, 1] },
};
