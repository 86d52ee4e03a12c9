import { tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "./carry.ts";
import { from0, image } from "./drafts.ts";
import { inf, nan, nine } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

export const padChannels: OpSuite<"padChannels"> = {
  byHand: [
    {
      name: "zeros before and after, in this order",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]) },
      options: { before: 1, after: 2 },
      expected: tensor([1, 4, 1, 2], [0, 0, 1, 2, 0, 0, 0, 0]),
    },
    {
      name: "all of them after",
      inputs: { x: tensor([1, 2, 1, 1], [1, 2]) },
      options: { after: 2 },
      expected: tensor([1, 4, 1, 1], [1, 2, 0, 0]),
    },
    {
      name: "of each image",
      inputs: { x: tensor([2, 1, 1, 1], [1, 2]) },
      options: { before: 1 },
      expected: tensor([2, 2, 1, 1], [0, 1, 0, 2]),
    },
    { name: "none", inputs: { x: nine }, options: {}, expected: nine },
  ],
  special: [
    {
      name: "zeros beside NaN and infinity are zeros",
      inputs: { x: tensor([1, 1, 1, 2], [nan, inf]) },
      options: { before: 1, after: 1 },
      expected: tensor([1, 3, 1, 2], [0, 0, nan, inf, 0, 0]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: fc
    .tuple(image, from0(4), from0(4))
    .map(([x, before, after]) => ({ shapes: { x }, attributes: { before, after } })),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("padChannels"),
};
