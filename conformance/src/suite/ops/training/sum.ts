import { ops, sizeOf, tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "../carry.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { magnitudes, summed } from "../rounding.ts";
import { any } from "./drafts.ts";

export const sum: OpSuite<"sum"> = {
  byHand: [
    {
      name: "over the batch",
      inputs: { x: counting([2, 3]) },
      options: { axes: [0] },
      expected: tensor([1, 3], [5, 7, 9]),
    },
    { name: "of each row", inputs: { x: counting([2, 3]) }, options: { axes: [1] }, expected: tensor([2, 1], [6, 15]) },
    {
      name: "of each channel, over images and pixels",
      inputs: { x: counting([2, 2, 1, 2]) },
      options: { axes: [0, 2, 3] },
      expected: tensor([1, 2, 1, 1], [14, 22]),
    },
    {
      name: "over channels",
      inputs: { x: counting([2, 2, 1, 2]) },
      options: { axes: [1] },
      expected: tensor([2, 1, 1, 2], [4, 6, 12, 14]),
    },
    {
      name: "of everything",
      inputs: { x: counting([2, 2, 2, 2]) },
      options: { axes: [0, 1, 2, 3] },
      expected: tensor([1, 1, 1, 1], [136]),
    },
    { name: "over no axes", inputs: { x: counting([3]) }, options: { axes: [] }, expected: counting([3]) },
    {
      name: "nine terms: the last is not lost where sums go by eight",
      inputs: { x: tensor([1, 9], [0, 0, 0, 0, 0, 0, 0, 0, 1]) },
      options: { axes: [1] },
      expected: tensor([1, 1], [1]),
    },
  ],
  special: [
    {
      name: "NaN stays in its row, and infinities cancel to NaN",
      inputs: { x: tensor([3, 2], [nan, 1, inf, 1, inf, -inf]) },
      options: { axes: [1] },
      expected: tensor([3, 1], [nan, inf, nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: any.chain((x) =>
    fc.subarray(x.map((_, axis) => axis)).map((axes) => ({ shapes: { x }, attributes: { axes } })),
  ),
  /** n terms, n − 1 sums. */
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.sum.evaluate(magnitudes(inputs), attributes, shape);
    const terms = inputs.x.data.length / sizeOf(shape);
    return summed(size, Math.max(terms - 1, 1), arithmetic, { stored: 2 });
  },
  carry: throughX("sum"),
};
