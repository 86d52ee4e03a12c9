import { tensor } from "@residual/core";
import { throughX } from "./carry.ts";
import { oneImage } from "./drafts.ts";
import { counting, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

export const flatten: OpSuite<"flatten"> = {
  byHand: [
    {
      name: "channels, then rows, then columns", // NHWC would interleave the channels
      inputs: { x: counting([1, 2, 2, 2]) },
      expected: counting([1, 8]),
    },
    { name: "each image a row", inputs: { x: counting([2, 3, 1, 1]) }, expected: counting([2, 3]) },
    { name: "uneven sides", inputs: { x: counting([1, 2, 1, 3]) }, expected: counting([1, 6]) },
    { name: "one number", inputs: { x: tensor([1, 1, 1, 1], [5]) }, expected: tensor([1, 1], [5]) },
  ],
  special: [
    {
      name: "NaN and infinities are moved as they are",
      inputs: { x: tensor([1, 1, 1, 3], [nan, inf, -inf]) },
      expected: tensor([1, 3], [nan, inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: oneImage,
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("flatten"),
};
