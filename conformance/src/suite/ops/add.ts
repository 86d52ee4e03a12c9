import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { orZeros, sum } from "./carry.ts";
import { image, rows } from "./drafts.ts";
import { counting, exactly, inf, larger, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { rounded } from "./rounding.ts";

export const add: OpSuite<"add"> = {
  byHand: [
    {
      name: "element by element",
      inputs: { a: tensor([1, 2, 1, 2], [1, 2, 3, 4]), b: tensor([1, 2, 1, 2], [10, -2, 30, 40]) },
      expected: tensor([1, 2, 1, 2], [11, 0, 33, 44]),
    },
    {
      name: "each image to its own",
      inputs: { a: tensor([2, 1], [1, 2]), b: tensor([2, 1], [10, 20]) },
      expected: tensor([2, 1], [11, 22]),
    },
    {
      name: "five numbers: none is skipped where they go by four",
      inputs: { a: counting([1, 5]), b: counting([1, 5]) },
      expected: tensor([1, 5], [2, 4, 6, 8, 10]),
    },
    {
      name: "a small number is rounded to even, not cut off", // 2²⁴ + 3 lies between 2²⁴ + 2 and 2²⁴ + 4
      inputs: { a: tensor([1, 1], [2 ** 24]), b: tensor([1, 1], [3]) },
      expected: exactly([1, 1], [2 ** 24 + 3]),
    },
  ],
  special: [
    {
      name: "infinity and NaN",
      inputs: { a: tensor([1, 5], [inf, inf, -inf, nan, 1]), b: tensor([1, 5], [1, -inf, -inf, 1, nan]) },
      expected: tensor([1, 5], [inf, nan, -inf, nan, nan]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    {
      name: "beyond the largest number is infinity",
      inputs: { a: tensor([1, 2], [3e38, -3e38]), b: tensor([1, 2], [3e38, -3e38]) },
      expected: exactly([1, 2], [2 * larger, -2 * larger]),
    },
    {
      name: "-0 and 0 are 0",
      inputs: { a: tensor([1, 2], [-0, -0]), b: tensor([1, 2], [0, -0]) },
      expected: tensor([1, 2], [0, 0]),
    },
    {
      name: "subnormal numbers, or 0",
      inputs: { a: tensor([1, 2], [1e-40, 1e-38]), b: tensor([1, 2], [1e-40, -1e-38]) },
      expected: tensor([1, 2], [2e-40, 0]),
    },
  ],
  draft: fc.oneof(image, rows).map((a) => ({ shapes: { a, b: a } })),
  bound: ({ a, b }, _, answer) => {
    const inputs = answer.arithmetic.stored; // inputs may have been rounded before they cancel
    return rounded(answer, 1).map((bound, i) => bound + 2 * inputs * (Math.abs(a.data[i]!) + Math.abs(b.data[i]!)));
  },
  carry: ({ a, b }, errors) => sum(orZeros(errors.a, a).data, orZeros(errors.b, b).data),
  recorded: {
    add: ({ a, b }) => ops.add({ a: a!, b: b! }),
    add_relu: ({ a, b }) => ops.relu({ x: ops.add({ a: a!, b: b! }) }),
  },
};
