import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "./carry.ts";
import { both, image, upTo } from "./drafts.ts";
import { counting, inf, nan, nine } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

export const subsample: OpSuite<"subsample"> = {
  byHand: [
    {
      name: "begins with the first pixel",
      inputs: { x: counting([1, 1, 4, 4]) },
      options: { stride: 2 },
      expected: tensor([1, 1, 2, 2], [1, 3, 9, 11]),
    },
    {
      name: "an odd side keeps its last pixel",
      inputs: { x: nine },
      options: { stride: 2 },
      expected: tensor([1, 1, 2, 2], [1, 3, 7, 9]),
    },
    {
      name: "separate strides down and right",
      inputs: { x: nine },
      options: { stride: [1, 3] },
      expected: tensor([1, 1, 3, 1], [1, 4, 7]),
    },
    {
      name: "each plane separately",
      inputs: { x: counting([2, 2, 1, 2]) },
      options: { stride: 2 },
      expected: tensor([2, 2, 1, 1], [1, 3, 5, 7]),
    },
  ],
  special: [
    {
      name: "NaN and infinities are moved unchanged",
      inputs: { x: tensor([1, 1, 1, 3], [nan, 1, -inf]) },
      options: { stride: 2 },
      expected: tensor([1, 1, 1, 2], [nan, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: fc.tuple(image, both(upTo(4))).map(([x, stride]) => ({ shapes: { x }, attributes: { stride } })),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("subsample"),
  recorded: {
    subsample_pad_channels: ({ x }, { stride, channelsBefore, channelsAfter }) =>
      ops.padChannels(
        { x: ops.subsample({ x: x! }, { stride: stride! }) },
        { before: channelsBefore!, after: channelsAfter! },
      ),
  },
};
