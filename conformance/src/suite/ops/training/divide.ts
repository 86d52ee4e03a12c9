import { tensor, tensorOf } from "@residual/core";
import { growth } from "../../arithmetic.ts";
import { evaluate, orZeros, plus } from "../carry.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { absolute, DIVISION } from "../rounding.ts";
import { broadcast } from "./drafts.ts";

export const divide: OpSuite<"divide"> = {
  byHand: [
    {
      name: "element by element",
      inputs: { a: tensor([4], [1, 6, -8, 0]), b: tensor([4], [2, -4, 0.5, 3]) },
      expected: tensor([4], [0.5, -1.5, -16, 0]),
    },
    {
      name: "by a scalar",
      inputs: { a: counting([2, 2]), b: tensor([], [4]) },
      expected: tensor([2, 2], [0.25, 0.5, 0.75, 1]),
    },
    {
      name: "by a number for each channel",
      inputs: { a: counting([1, 2, 1, 2]), b: tensor([1, 2, 1, 1], [2, 4]) },
      expected: tensor([1, 2, 1, 2], [0.5, 1, 0.75, 1]),
    },
    {
      name: "by a number for each row",
      inputs: { a: counting([2, 2]), b: tensor([2, 1], [1, 8]) },
      expected: tensor([2, 2], [1, 2, 0.375, 0.5]),
    },
  ],
  special: [
    {
      name: "NaN travels, and infinity divided by 2 is infinity",
      inputs: { a: tensor([2], [nan, inf]), b: tensor([2], [1, 2]) },
      expected: tensor([2], [nan, inf]),
      shows: ["drops NaN"],
    },
  ],
  draft: broadcast.map(([a, b]) => ({ shapes: { a, b } })),
  ranges: { b: [0.5, 2] },
  bound: (_inputs, _attributes, { value, arithmetic }) => {
    const factor = growth(DIVISION, 3, arithmetic);
    return value.map((each) => factor * Math.abs(each) + arithmetic.smallest);
  },
  /** |a/b − a′/b′| ≤ (e(a) + |a/b|·e(b)) / (|b| − e(b)). Without a bound if b may be 0. */
  carry: ({ a, b }, errors, _, shape) => {
    const [most, error] = [absolute(b), orZeros(errors.b, b)];
    const least = tensorOf(
      "float64",
      b.shape,
      most.data.map((each, i) => Math.max(each - error.data[i]!, 0)),
    );
    const quotients = tensorOf("float64", shape, evaluate("divide", { a: absolute(a), b: most }, {}, shape));
    const ofB = tensorOf("float64", shape, evaluate("times", { a: quotients, b: error }, {}, shape));
    return evaluate("divide", { a: plus(ofB, errors.a), b: least }, {}, shape);
  },
};
