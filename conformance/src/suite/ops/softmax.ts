import { ops, tensor } from "@residual/core";
import { growth } from "../arithmetic.ts";
import { oneRows } from "./drafts.ts";
import { exactly, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { DIVISION, eachRow, finite, shiftedRoundings } from "./rounding.ts";

const { E } = Math;

export const softmax: OpSuite<"softmax"> = {
  byHand: [
    {
      name: "e to the x, over their sum",
      inputs: { x: tensor([1, 3], [0, 1, 2]) },
      expected: exactly(
        [1, 3],
        [1, E, E * E].map((each) => each / (1 + E + E * E)),
      ),
    },
    {
      name: "large logits do not overflow",
      inputs: { x: tensor([1, 2], [1000, 1001]) },
      expected: exactly([1, 2], [1 / (1 + E), E / (1 + E)]),
    },
    {
      name: "each row for itself",
      inputs: { x: tensor([2, 2], [0, 0, 0, -100]) },
      expected: exactly([2, 2], [0.5, 0.5, 1 / (1 + Math.exp(-100)), Math.exp(-100) / (1 + Math.exp(-100))]),
    },
    {
      name: "over classes, not over images",
      inputs: { x: tensor([2, 1], [3, 5]) },
      expected: tensor([2, 1], [1, 1]),
    },
  ],
  special: [
    {
      name: "a logit of -infinity has no probability",
      inputs: { x: tensor([1, 3], [0, -inf, 0]) },
      expected: tensor([1, 3], [0.5, 0, 0.5]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "NaN spoils its row alone",
      inputs: { x: tensor([2, 2], [nan, 0, 0, 0]) },
      expected: tensor([2, 2], [nan, nan, 0.5, 0.5]),
      shows: ["drops NaN"],
    },
    {
      name: "logits of 1e38",
      inputs: { x: tensor([1, 2], [1e38, -1e38]) },
      expected: tensor([1, 2], [1, 0]),
      shows: ["overflows early"],
    },
  ],
  draft: oneRows,
  ranges: { x: [-12, 12] },
  /** The roundings of each exponential and of the sum, a reciprocal of the sum, and a product. */
  bound: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value, ({ start, classes, largest, ofSum, ofInputs }) => {
      for (let i = start; i < start + classes; i++) {
        const roundings = shiftedRoundings(x.data[i]! - largest) + ofSum + DIVISION + 1;
        const stored = 1 + finite(x.data[i]!) + ofInputs;
        bound[i] = value[i]! * growth(roundings, stored, arithmetic) + 2 * arithmetic.smallest;
      }
    });
    return bound;
  },
  recorded: {
    softmax: ({ x }) => ops.softmax({ x: x! }),
  },
};
