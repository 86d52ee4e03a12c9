import { tensor } from "@residual/core";
import fc from "fast-check";
import { image, rows } from "../drafts.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const channelSum: OpSuite<"channelSum"> = {
  byHand: [
    { name: "of images", inputs: { x: counting([2, 2, 1, 2]) }, expected: tensor([2], [14, 22]) },
    { name: "of rows", inputs: { x: counting([2, 3]) }, expected: tensor([3], [5, 7, 9]) },
    { name: "of one image: its pixels", inputs: { x: counting([1, 1, 2, 2]) }, expected: tensor([1], [10]) },
    { name: "of five channels", inputs: { x: counting([1, 5, 1, 1]) }, expected: counting([5]) },
  ],
  special: [
    {
      name: "NaN stays in its channel",
      inputs: { x: tensor([1, 3, 1, 2], [nan, 1, inf, 1, 1, 2]) },
      expected: tensor([3], [nan, inf, 3]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.oneof(image, rows).map((x) => ({ shapes: { x } })),
};
