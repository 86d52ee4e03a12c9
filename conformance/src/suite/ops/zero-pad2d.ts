import { tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "./carry.ts";
import { from0, image } from "./drafts.ts";
import { inf, nan, nine } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

export const zeroPad2d: OpSuite<"zeroPad2d"> = {
  byHand: [
    {
      name: "one pixel on each side",
      inputs: { x: tensor([1, 1, 1, 2], [-1, -2]) },
      options: { padding: 1 },
      expected: tensor([1, 1, 3, 4], [0, 0, 0, 0, 0, -1, -2, 0, 0, 0, 0, 0]),
    },
    {
      name: "each side its own", // top 0, left 2, bottom 1, right 0
      inputs: { x: tensor([1, 1, 1, 1], [5]) },
      options: { padding: [0, 2, 1, 0] },
      expected: tensor([1, 1, 2, 3], [0, 0, 5, 0, 0, 0]),
    },
    {
      name: "of each channel and image",
      inputs: { x: tensor([2, 2, 1, 1], [1, 2, 3, 4]) },
      options: { padding: [0, 0, 0, 1] },
      expected: tensor([2, 2, 1, 2], [1, 0, 2, 0, 3, 0, 4, 0]),
    },
    { name: "none", inputs: { x: nine }, options: { padding: 0 }, expected: nine },
  ],
  special: [
    {
      name: "zeros beside NaN and infinity are zeros",
      inputs: { x: tensor([1, 1, 1, 2], [nan, inf]) },
      options: { padding: [0, 1, 0, 1] },
      expected: tensor([1, 1, 1, 4], [0, nan, inf, 0]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: fc
    .tuple(image, from0(3), from0(3), from0(3), from0(3))
    .map(([x, ...padding]) => ({ shapes: { x }, attributes: { padding } })),
  /** A product with 1, and no other term. */
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("zeroPad2d"),
};
