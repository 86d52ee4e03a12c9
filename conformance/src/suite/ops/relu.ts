import { ops, tensor } from "@residual/core";
import { throughX } from "./carry.ts";
import { imageOrRows } from "./drafts.ts";
import { inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

export const relu: OpSuite<"relu"> = {
  byHand: [
    {
      name: "negative numbers become 0, others stay",
      inputs: { x: tensor([1, 5], [-2, -0.001, 0, 0.001, 2]) },
      expected: tensor([1, 5], [0, 0, 0, Math.fround(0.001), 2]),
    },
    {
      name: "large numbers are not cut off at 6",
      inputs: { x: tensor([1, 2], [6.5, 1e30]) },
      expected: tensor([1, 2], [6.5, 1e30]),
    },
    {
      name: "every pixel of every image",
      inputs: { x: tensor([2, 1, 1, 3], [-1, 1, -2, 2, -3, 3]) },
      expected: tensor([2, 1, 1, 3], [0, 1, 0, 2, 0, 3]),
    },
    { name: "no slope below 0", inputs: { x: tensor([1, 1], [-1e6]) }, expected: tensor([1, 1], [0]) },
  ],
  special: [
    {
      name: "NaN stays",
      inputs: { x: tensor([1, 5], [nan, 1, nan, -1, nan]) },
      expected: tensor([1, 5], [nan, 1, nan, 0, nan]),
      shows: ["drops NaN"],
    },
    {
      name: "infinity stays, -infinity goes",
      inputs: { x: tensor([1, 2], [inf, -inf]) },
      expected: tensor([1, 2], [inf, 0]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "-0 is 0, and a subnormal number itself or 0",
      inputs: { x: tensor([1, 3], [-0, 1e-40, -1e-40]) },
      expected: tensor([1, 3], [0, 1e-40, 0]),
      shows: ["keeps negative subnormals"],
    },
  ],
  draft: imageOrRows,
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("relu"),
  recorded: {
    relu: ({ x }) => ops.relu({ x: x! }),
  },
};
