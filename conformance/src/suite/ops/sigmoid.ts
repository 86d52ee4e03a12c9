import { ops, tensor } from "@residual/core";
import { growth } from "../arithmetic.ts";
import { imageOrRows } from "./drafts.ts";
import { exactly, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { DIVISION, exponentialRoundings, finite, storedFlush } from "./rounding.ts";

export const sigmoid: OpSuite<"sigmoid"> = {
  byHand: [
    { name: "half at 0", inputs: { x: tensor([1, 1], [0]) }, expected: tensor([1, 1], [0.5]) },
    {
      name: "the logistic function, not a line through it", // a hard sigmoid answers 0.667 at 1
      inputs: { x: tensor([1, 4], [1, -1, 4, -4]) },
      expected: exactly(
        [1, 4],
        [1, -1, 4, -4].map((x) => 1 / (1 + Math.exp(-x))),
      ),
    },
    { name: "far out it is 0 and 1", inputs: { x: tensor([1, 2], [-200, 200]) }, expected: exactly([1, 2], [0, 1]) },
    {
      name: "of an image",
      inputs: { x: tensor([1, 2, 1, 1], [0, Math.LN2]) },
      expected: exactly([1, 2, 1, 1], [0.5, 1 / (1 + Math.exp(-Math.fround(Math.LN2)))]),
    },
  ],
  special: [
    {
      name: "infinities are 1 and 0, NaN stays",
      inputs: { x: tensor([1, 3], [inf, -inf, nan]) },
      expected: tensor([1, 3], [1, 0, nan]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    { name: "1e38 on either side", inputs: { x: tensor([1, 2], [1e38, -1e38]) }, expected: tensor([1, 2], [1, 0]) },
  ],
  draft: imageOrRows,
  ranges: { x: [-12, 12] },
  /**
   * 1 / (1 + e^−x): a sum, a division, and 1 − y times the exponential's error. A library's own formula is good to 4u.
   */
  bound: ({ x }, _, { value, arithmetic }) =>
    value.map((y, i) => {
      const roundings = (1 - y) * exponentialRoundings(x.data[i]!) + 1 + DIVISION;
      const stored = 1 + (1 - y) * finite(x.data[i]!); // the roundings of x and of y
      return Math.max(y * growth(roundings, stored, arithmetic), 4 * arithmetic.unit) + storedFlush(arithmetic);
    }),
  recorded: {
    sigmoid: ({ x }) => ops.sigmoid({ x: x! }),
  },
};
