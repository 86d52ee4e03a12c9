import { tensor } from "@residual/core";
import { oneImage } from "../drafts.ts";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const batchMean: OpSuite<"batchMean"> = {
  byHand: [
    { name: "over images and pixels", inputs: { x: counting([2, 2, 1, 2]) }, expected: tensor([2], [3.5, 5.5]) },
    { name: "of one number", inputs: { x: tensor([1, 1, 1, 1], [-3]) }, expected: tensor([1], [-3]) },
    { name: "over the batch alone", inputs: { x: counting([4, 1, 1, 1]) }, expected: tensor([1], [2.5]) },
    { name: "of five channels", inputs: { x: counting([1, 5, 1, 1]) }, expected: counting([5]) },
  ],
  special: [
    {
      name: "NaN stays in its channel",
      inputs: { x: tensor([1, 2, 1, 2], [nan, 1, 1, 3]) },
      expected: tensor([2], [nan, 2]),
      shows: ["drops NaN"],
    },
  ],
  draft: oneImage,
};
