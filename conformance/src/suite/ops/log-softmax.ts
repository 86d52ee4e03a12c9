import { ops, tensor } from "@residual/core";
import { gamma } from "../arithmetic.ts";
import { oneRows } from "./drafts.ts";
import { exactly, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { eachRow, finite } from "./rounding.ts";

const { E } = Math;

export const logSoftmax: OpSuite<"logSoftmax"> = {
  byHand: [
    {
      name: "x less the logarithm of the sum",
      inputs: { x: tensor([1, 3], [0, 1, 2]) },
      expected: exactly(
        [1, 3],
        [0, 1, 2].map((x) => x - Math.log(1 + E + E * E)),
      ),
    },
    {
      name: "small probabilities are not lost", // the logarithm of a softmax would be −∞
      inputs: { x: tensor([1, 2], [0, 1000]) },
      expected: exactly([1, 2], [-1000, 0]),
    },
    {
      name: "large logits do not overflow",
      inputs: { x: tensor([1, 2], [10000, 10000]) },
      expected: exactly([1, 2], [-Math.LN2, -Math.LN2]),
    },
    { name: "each row for itself", inputs: { x: tensor([2, 1], [3, -5]) }, expected: exactly([2, 1], [0, 0]) },
  ],
  special: [
    {
      name: "a logit of -infinity",
      inputs: { x: tensor([1, 2], [0, -inf]) },
      expected: tensor([1, 2], [0, -inf]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "NaN spoils its row alone",
      inputs: { x: tensor([2, 2], [nan, 0, 7, 7]) },
      expected: tensor([2, 2], [nan, nan, -Math.LN2, -Math.LN2]),
      shows: ["drops NaN"],
    },
  ],
  draft: oneRows,
  ranges: { x: [-12, 12] },
  /**
   * x − largest − log Σ, or x − (largest + log Σ). The relative error of the sum is the absolute error of its
   * logarithm.
   */
  bound: ({ x }, _, { value, shape, arithmetic }) => {
    const bound = new Float64Array(value.length);
    eachRow(x, shape, value.map(Math.exp), ({ start, classes, largest, sum, ofSum, ofInputs }) => {
      const ofLog = gamma(ofSum + 1 + 8, arithmetic) + gamma(6, arithmetic) * Math.log(sum);
      for (let i = start; i < start + classes; i++) {
        const stored = arithmetic.stored * (finite(x.data[i]!) + ofInputs + Math.abs(value[i]!));
        bound[i] = ofLog + gamma(2, arithmetic) * (Math.abs(value[i]!) + Math.abs(largest)) + stored;
      }
    });
    return bound;
  },
  recorded: {
    log_softmax: ({ x }) => ops.logSoftmax({ x: x! }),
  },
};
