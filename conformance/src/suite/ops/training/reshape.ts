import { sizeOf, tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "../carry.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";
import { any } from "./drafts.ts";

export const reshape: OpSuite<"reshape"> = {
  byHand: [
    {
      name: "pixels to features: channels first",
      inputs: { x: counting([1, 2, 1, 3]) },
      options: { shape: [1, 6] },
      expected: counting([1, 6]),
    },
    {
      name: "features to pixels",
      inputs: { x: counting([2, 6]) },
      options: { shape: [2, 3, 1, 2] },
      expected: counting([2, 3, 1, 2]),
    },
    {
      name: "a vector to channels",
      inputs: { x: counting([5]) },
      options: { shape: [1, 5, 1, 1] },
      expected: counting([1, 5, 1, 1]),
    },
    {
      name: "channels to a vector",
      inputs: { x: counting([1, 5, 1, 1]) },
      options: { shape: [5] },
      expected: counting([5]),
    },
    {
      name: "one number to a scalar",
      inputs: { x: tensor([1, 1], [3]) },
      options: { shape: [] },
      expected: tensor([], [3]),
    },
    {
      name: "the first size is inferred",
      inputs: { x: counting([2, 2, 2, 2]) },
      options: { shape: [-1, 2, 4, 1] },
      expected: counting([2, 2, 4, 1]),
    },
  ],
  special: [
    {
      name: "NaN and infinities are moved unchanged",
      inputs: { x: tensor([3], [nan, inf, -inf]) },
      options: { shape: [1, 3] },
      expected: tensor([1, 3], [nan, inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: any.chain((x) =>
    fc
      .constantFrom<readonly number[]>(
        [sizeOf(x)],
        [1, sizeOf(x)],
        [sizeOf(x), 1, 1, 1],
        [1, 1, sizeOf(x), 1],
        [1, 1, 1, sizeOf(x)],
      )
      .map((shape) => ({ shapes: { x }, attributes: { shape } })),
  ),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("reshape"),
};
