import { tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "../carry.ts";
import { from0, upTo } from "../drafts.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";

export const sliceChannels: OpSuite<"sliceChannels"> = {
  byHand: [
    {
      name: "in front",
      inputs: { x: counting([1, 3, 1, 2]) },
      options: { before: 1 },
      expected: counting([1, 2, 1, 2], 3),
    },
    { name: "behind", inputs: { x: counting([1, 3, 1, 2]) }, options: { after: 2 }, expected: counting([1, 1, 1, 2]) },
    {
      name: "on both sides, of each image",
      inputs: { x: counting([2, 4, 1, 1]) },
      options: { before: 1, after: 2 },
      expected: tensor([2, 1, 1, 1], [2, 6]),
    },
    { name: "none", inputs: { x: counting([1, 5, 2, 1]) }, options: {}, expected: counting([1, 5, 2, 1]) },
  ],
  special: [
    {
      name: "NaN and infinities are kept, or dropped with their channel",
      inputs: { x: tensor([1, 4, 1, 1], [nan, nan, inf, -inf]) },
      options: { before: 1, after: 1 },
      expected: tensor([1, 2, 1, 1], [nan, inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: fc
    .record({ batch: upTo(3), kept: upTo(5), before: from0(5), after: from0(5), h: upTo(5), w: upTo(5) })
    .map(({ batch, kept, before, after, h, w }) => ({
      shapes: { x: [batch, before + kept + after, h, w] },
      attributes: { before, after },
    })),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("sliceChannels"),
};
