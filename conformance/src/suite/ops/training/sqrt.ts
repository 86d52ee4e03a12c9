import { tensor } from "@residual/core";
import { growth } from "../../arithmetic.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { ROOT } from "../rounding.ts";
import { alike } from "./drafts.ts";

export const sqrt: OpSuite<"sqrt"> = {
  byHand: [
    { name: "squares", inputs: { x: tensor([5], [0, 1, 4, 0.25, 9]) }, expected: tensor([5], [0, 1, 2, 0.5, 3]) },
    { name: "a scalar", inputs: { x: tensor([], [256]) }, expected: tensor([], [16]) },
    {
      name: "each channel of an image",
      inputs: { x: tensor([1, 3, 1, 1], [4, 16, 64]) },
      expected: tensor([1, 3, 1, 1], [2, 4, 8]),
    },
    { name: "a small number", inputs: { x: tensor([1], [2 ** -40]) }, expected: tensor([1], [2 ** -20]) },
    { name: "rows", inputs: { x: counting([1, 1], 4) }, expected: tensor([1, 1], [2]) },
  ],
  special: [
    {
      name: "NaN and infinity travel",
      inputs: { x: tensor([2], [nan, inf]) },
      expected: tensor([2], [nan, inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: alike("x"),
  ranges: { x: [0, 4] },
  bound: (_inputs, _attributes, { value, arithmetic }) => {
    const factor = growth(ROOT, 2, arithmetic);
    return value.map((each) => factor * each + Math.sqrt(arithmetic.smallest) * (each === 0 ? 0 : 1));
  },
  /** |√x − √x′| = |x − x′| / (√x + √x′), which is at most e/√x, and at most √e. */
  carry: ({ x }, errors) =>
    errors.x!.data.map((error, i) => Math.min(Math.sqrt(error), error / Math.sqrt(Math.abs(x.data[i]!)) || 0)),
};
