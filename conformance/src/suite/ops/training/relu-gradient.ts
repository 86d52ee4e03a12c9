import { tensor } from "@residual/core";
import { counting, inf } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";
import { alike } from "./drafts.ts";

export const reluGradient: OpSuite<"reluGradient"> = {
  byHand: [
    {
      name: "dy where y is above 0",
      inputs: { y: tensor([4], [1, 0.5, 3, 1000]), dy: tensor([4], [1, -2, 0, 7]) },
      expected: tensor([4], [1, -2, 0, 7]),
    },
    {
      name: "0 where y is 0 or below",
      inputs: { y: tensor([3], [0, -1, -1000]), dy: tensor([3], [5, -6, 7]) },
      expected: tensor([3], [0, 0, 0]),
    },
    {
      name: "images of five channels",
      inputs: { y: tensor([1, 5, 1, 1], [1, 0, 1, 0, 1]), dy: counting([1, 5, 1, 1]) },
      expected: tensor([1, 5, 1, 1], [1, 0, 3, 0, 5]),
    },
    {
      name: "rows",
      inputs: { y: tensor([2, 2], [0, 1, 1, 0]), dy: counting([2, 2]) },
      expected: tensor([2, 2], [0, 2, 3, 0]),
    },
    {
      name: "the smallest normal number is above 0",
      inputs: { y: tensor([2], [2 ** -126, -(2 ** -126)]), dy: tensor([2], [5, 5]) },
      expected: tensor([2], [5, 0]),
    },
  ],
  special: [
    {
      name: "an infinite dy passes where y is above 0",
      inputs: { y: tensor([2], [1, 2]), dy: tensor([2], [inf, -inf]) },
      expected: tensor([2], [inf, -inf]),
    },
    {
      name: "an infinite dy is dropped where y is 0 or below",
      inputs: { y: tensor([2], [0, -1]), dy: tensor([2], [inf, -inf]) },
      expected: tensor([2], [0, 0]),
      shows: ["turns infinity into NaN"],
    },
  ],
  draft: alike("y", "dy"),
  bound: (_inputs, _attributes, answer) => exact(answer),
  /** dy's own error where y is above 0. All of dy where y may be on either side. */
  carry: ({ y, dy }, errors) =>
    dy.data.map((each, i) => {
      const [ofY, ofDy] = [errors.y?.data[i] ?? 0, errors.dy?.data[i] ?? 0];
      if (ofY > 0 && Math.abs(y.data[i]!) <= ofY) return Math.abs(each) + ofDy;
      return y.data[i]! > 0 ? ofDy : 0;
    }),
};
