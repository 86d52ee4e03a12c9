import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { evaluate } from "../carry.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { magnitudes, summed } from "../rounding.ts";
import { any } from "./drafts.ts";

export const affine: OpSuite<"affine"> = {
  byHand: [
    {
      name: "a factor and an offset",
      inputs: { x: tensor([3], [1, -2, 4]) },
      options: { factor: -0.5, offset: 3 },
      expected: tensor([3], [2.5, 4, 1]),
    },
    {
      name: "a factor alone",
      inputs: { x: counting([2, 2]) },
      options: { factor: 4 },
      expected: tensor([2, 2], [4, 8, 12, 16]),
    },
    {
      name: "an offset alone, of an image of five channels",
      inputs: { x: counting([1, 5, 1, 1]) },
      options: { offset: -1 },
      expected: tensor([1, 5, 1, 1], [0, 1, 2, 3, 4]),
    },
    {
      name: "a scalar",
      inputs: { x: tensor([], [3]) },
      options: { factor: 2, offset: 0.25 },
      expected: tensor([], [6.25]),
    },
    {
      name: "a factor of 0 leaves the offset",
      inputs: { x: counting([3]) },
      options: { factor: 0, offset: 7 },
      expected: tensor([3], [7, 7, 7]),
    },
  ],
  special: [
    {
      name: "NaN and infinities travel",
      inputs: { x: tensor([3], [nan, inf, -inf]) },
      options: { factor: -2, offset: 1 },
      expected: tensor([3], [nan, -inf, inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: fc
    .tuple(any, fc.constantFrom(-1, 0.1, 1, 3), fc.constantFrom(-0.3, 0, 2))
    .map(([x, factor, offset]) => ({ shapes: { x }, attributes: { factor, offset } })),
  /** The factor is rounded to float32, then a product and a sum. */
  bound: (inputs, { factor, offset }, { shape, arithmetic }) => {
    const size = ops.affine.evaluate(magnitudes(inputs), { factor: Math.abs(factor), offset: Math.abs(offset) }, shape);
    return summed(size, 3, arithmetic, { stored: 2, factors: [inputs.x] });
  },
  carry: (_, { x }, { factor }, shape) => evaluate("affine", { x: x! }, { factor: Math.abs(factor), offset: 0 }, shape),
};
