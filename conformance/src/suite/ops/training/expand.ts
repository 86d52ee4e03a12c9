import { tensor } from "@residual/core";
import { throughX } from "../carry.ts";
import { inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";
import { broadcast } from "./drafts.ts";

export const expand: OpSuite<"expand"> = {
  byHand: [
    {
      name: "a scalar",
      inputs: { x: tensor([], [7]) },
      options: { shape: [2, 2] },
      expected: tensor([2, 2], [7, 7, 7, 7]),
    },
    {
      name: "channels to pixels",
      inputs: { x: tensor([1, 2, 1, 1], [1, 2]) },
      options: { shape: [2, 2, 1, 2] },
      expected: tensor([2, 2, 1, 2], [1, 1, 2, 2, 1, 1, 2, 2]),
    },
    {
      name: "rows",
      inputs: { x: tensor([1, 2], [1, 2]) },
      options: { shape: [3, 2] },
      expected: tensor([3, 2], [1, 2, 1, 2, 1, 2]),
    },
    {
      name: "columns, the batch as it is",
      inputs: { x: tensor([2, 1], [1, 2]) },
      options: { shape: [-1, 3] },
      expected: tensor([2, 3], [1, 1, 1, 2, 2, 2]),
    },
    {
      name: "a row of pixels to each row and channel",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]) },
      options: { shape: [1, 2, 2, 2] },
      expected: tensor([1, 2, 2, 2], [1, 2, 1, 2, 1, 2, 1, 2]),
    },
  ],
  special: [
    {
      name: "NaN and infinities are moved unchanged",
      inputs: { x: tensor([3, 1], [nan, inf, -inf]) },
      options: { shape: [3, 2] },
      expected: tensor([3, 2], [nan, nan, inf, inf, -inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: broadcast.map(([shape, x]) => ({ shapes: { x }, attributes: { shape } })),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("expand"),
};
