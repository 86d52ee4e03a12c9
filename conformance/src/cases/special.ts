import { type OpName, type Tensor, tensor, tensorOf } from "@residual/core";
import type { OpCase } from "./op-case.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Beyond float32, where it becomes infinite; a backend that computes in float64 gives the number itself. */
const beyond = (shape: readonly number[], numbers: readonly number[]): Tensor<"float64"> =>
  tensorOf("float64", shape, Float64Array.from(numbers));

/** 1e38 and 3e38 as float32 has them. */
const [large, larger] = [Math.fround(1e38), Math.fround(3e38)];

const ones = tensor([1, 1, 1, 3], [1, 1, 1]);

/** A window of 3 × 3 with a NaN in each place in turn. */
const nanInEachPlace = Array.from(
  { length: 9 },
  (_, place): OpCase<"maxPool2d"> => ({
    name: `NaN in place ${place} of a window is its answer`,
    inputs: {
      x: tensor(
        [1, 1, 3, 3],
        Array.from({ length: 9 }, (__, i) => (i === place ? nan : i + 1)),
      ),
    },
    options: { window: 3 },
    expected: tensor([1, 1, 1, 1], [nan]),
    shows: ["drops NaN"],
  }),
);

/**
 * Numbers that are none, or that are at the ends of float32. What they make of each op is PyTorch's answer, and IEEE 754's:
 * NaN travels, ∞ − ∞ and 0 · ∞ are NaN, a sum beyond the largest number is ∞. −0 is 0, and a subnormal number may be 0
 * (docs/tolerances.md).
 */
export const special: { readonly [Name in OpName]?: readonly OpCase<Name>[] } = {
  conv2d: [
    {
      name: "NaN is in each answer that sees it",
      inputs: { x: tensor([1, 1, 1, 4], [1, nan, 2, 3]), weight: tensor([1, 1, 1, 2], [1, 1]) },
      expected: tensor([1, 1, 1, 3], [nan, nan, 5]),
      shows: ["drops NaN"],
    },
    {
      name: "infinity is a number among others",
      inputs: { x: tensor([1, 1, 1, 3], [-inf, 2, inf]), weight: tensor([1, 1, 1, 1], [2]) },
      expected: tensor([1, 1, 1, 3], [-inf, 4, inf]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "infinities of either sign make NaN",
      inputs: { x: tensor([1, 1, 1, 3], [inf, 1, -inf]), weight: ones },
      expected: tensor([1, 1, 1, 1], [nan]),
    },
    {
      name: "0 times infinity is NaN",
      inputs: { x: tensor([1, 1, 1, 1], [inf]), weight: tensor([1, 1, 1, 1], [0]) },
      expected: tensor([1, 1, 1, 1], [nan]),
    },
    {
      name: "a product beyond the largest number is infinite",
      inputs: { x: tensor([1, 1, 1, 1], [1e38]), weight: tensor([1, 1, 1, 1], [-1e38]) },
      expected: beyond([1, 1, 1, 1], [-large * large]),
    },
    {
      name: "sums near the largest number",
      inputs: { x: tensor([1, 1, 1, 3], [1e38, 1e38, 1e38]), weight: ones },
      expected: tensor([1, 1, 1, 1], [3 * large]),
    },
  ],
  fusedConv2d: [
    {
      name: "relu keeps NaN",
      inputs: { x: tensor([1, 1, 1, 2], [nan, -1]), weight: tensor([1, 1, 1, 1], [1]) },
      options: { relu: true },
      expected: tensor([1, 1, 1, 2], [nan, 0]),
      shows: ["drops NaN"],
    },
    {
      name: "an infinite residual",
      inputs: {
        x: tensor([1, 1, 1, 2], [1, 1]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 2], [inf, -inf]),
      },
      options: { relu: true },
      expected: tensor([1, 1, 1, 2], [inf, 0]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "a NaN in the residual",
      inputs: {
        x: tensor([1, 1, 1, 1], [1]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 1], [nan]),
      },
      options: { relu: true },
      expected: tensor([1, 1, 1, 1], [nan]),
      shows: ["drops NaN"],
    },
  ],
  linear: [
    {
      name: "NaN stays in its row",
      inputs: { x: tensor([2, 2], [nan, 1, 2, 3]), weight: tensor([1, 2], [1, 1]) },
      expected: tensor([2, 1], [nan, 5]),
      shows: ["drops NaN"],
    },
    {
      name: "0 times infinity is NaN",
      inputs: { x: tensor([1, 2], [inf, 1]), weight: tensor([2, 2], [0, 1, 1, 1]) },
      expected: tensor([1, 2], [nan, inf]),
    },
    {
      name: "an infinite bias",
      inputs: { x: tensor([1, 1], [1]), weight: tensor([1, 1], [1]), bias: tensor([1], [-inf]) },
      expected: tensor([1, 1], [-inf]),
      shows: ["turns infinity into NaN"],
    },
  ],
  batchNorm: [
    {
      name: "NaN and infinities travel",
      inputs: {
        x: tensor([1, 1, 1, 3], [nan, inf, -inf]),
        scale: tensor([1], [2]),
        shift: tensor([1], [1]),
        mean: tensor([1], [0]),
        variance: tensor([1], [1]),
      },
      expected: tensor([1, 1, 1, 3], [nan, inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    {
      name: "a scale of 0 times infinity is NaN",
      inputs: {
        x: tensor([1, 1, 1, 2], [inf, 3]),
        scale: tensor([1], [0]),
        shift: tensor([1], [1]),
        mean: tensor([1], [0]),
        variance: tensor([1], [1]),
      },
      expected: tensor([1, 1, 1, 2], [nan, 1]),
    },
  ],
  maxPool2d: [
    ...nanInEachPlace,
    {
      name: "a window of -infinity alone",
      inputs: { x: tensor([1, 1, 2, 2], [-inf, -inf, -inf, -inf]) },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 1], [-inf]),
      shows: ["starts at a finite number"],
    },
    {
      name: "-infinity at the padded edge",
      inputs: { x: tensor([1, 1, 1, 2], [-inf, -inf]) },
      options: { window: 3, stride: 1, padding: 1 },
      expected: tensor([1, 1, 1, 2], [-inf, -inf]),
      shows: ["pads with a finite number", "starts at a finite number"],
    },
    {
      name: "infinity wins",
      inputs: { x: tensor([1, 1, 1, 3], [1, inf, -inf]) },
      options: { window: [1, 3] },
      expected: tensor([1, 1, 1, 1], [inf]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "large negative numbers are numbers",
      inputs: { x: tensor([1, 1, 1, 2], [-3.4e38, -3.3e38]) },
      options: { window: [1, 2] },
      expected: tensor([1, 1, 1, 1], [Math.fround(-3.3e38)]),
      shows: ["starts at a finite number"],
    },
  ],
  averagePool2d: [
    {
      name: "NaN in its window alone",
      inputs: { x: tensor([1, 1, 1, 4], [nan, 1, 2, 4]) },
      options: { window: [1, 2] },
      expected: tensor([1, 1, 1, 2], [nan, 3]),
      shows: ["drops NaN"],
    },
    {
      name: "infinity in its window alone",
      inputs: { x: tensor([1, 1, 1, 4], [inf, 1, 2, -inf]) },
      options: { window: [1, 2] },
      expected: tensor([1, 1, 1, 2], [inf, -inf]),
      shows: ["turns infinity into NaN"],
    },
  ],
  globalAveragePool: [
    {
      name: "NaN in its channel alone",
      inputs: { x: tensor([1, 2, 1, 2], [nan, 1, 2, 4]) },
      expected: tensor([1, 2, 1, 1], [nan, 3]),
      shows: ["drops NaN"],
    },
    {
      name: "infinities of either sign make NaN",
      inputs: { x: tensor([1, 1, 1, 2], [inf, -inf]) },
      expected: tensor([1, 1, 1, 1], [nan]),
    },
  ],
  add: [
    {
      name: "infinity and NaN",
      inputs: { a: tensor([1, 5], [inf, inf, -inf, nan, 1]), b: tensor([1, 5], [1, -inf, -inf, 1, nan]) },
      expected: tensor([1, 5], [inf, nan, -inf, nan, nan]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    {
      name: "beyond the largest number is infinity",
      inputs: { a: tensor([1, 2], [3e38, -3e38]), b: tensor([1, 2], [3e38, -3e38]) },
      expected: beyond([1, 2], [2 * larger, -2 * larger]),
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
  multiply: [
    {
      name: "0 times infinity is NaN",
      inputs: { x: tensor([1, 1, 1, 3], [inf, nan, 1]), gate: tensor([1, 1, 1, 1], [0]) },
      expected: tensor([1, 1, 1, 3], [nan, nan, 0]),
      shows: ["drops NaN"],
    },
    {
      name: "beyond the largest number is infinity",
      inputs: { x: tensor([1, 1, 1, 2], [1e38, -1e38]), gate: tensor([1, 1, 1, 1], [1e38]) },
      expected: beyond([1, 1, 1, 2], [large * large, -large * large]),
    },
    {
      name: "below the smallest is 0",
      inputs: { x: tensor([1, 1, 1, 1], [1e-38]), gate: tensor([1, 1, 1, 1], [1e-38]) },
      expected: tensor([1, 1, 1, 1], [0]),
    },
  ],
  relu: [
    {
      name: "NaN stays",
      inputs: { x: tensor([1, 5], [nan, 1, nan, -1, nan]) },
      expected: tensor([1, 5], [nan, 1, nan, 0, nan]),
      shows: ["drops NaN"],
    },
    {
      name: "infinity stays, -infinity goes",
      inputs: { x: tensor([1, 2], [inf, -inf]) },
      expected: tensor([1, 2], [inf, 0]),
      shows: ["turns infinity into NaN"],
    },
    {
      name: "-0 is 0, and a subnormal number itself or 0",
      inputs: { x: tensor([1, 3], [-0, 1e-40, -1e-40]) },
      expected: tensor([1, 3], [0, 1e-40, 0]),
      shows: ["keeps negative subnormals"],
    },
  ],
  sigmoid: [
    {
      name: "infinities are 1 and 0, NaN stays",
      inputs: { x: tensor([1, 3], [inf, -inf, nan]) },
      expected: tensor([1, 3], [1, 0, nan]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
    { name: "1e38 on either side", inputs: { x: tensor([1, 2], [1e38, -1e38]) }, expected: tensor([1, 2], [1, 0]) },
  ],
  softmax: [
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
  logSoftmax: [
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
  flatten: [
    {
      name: "NaN and infinities are moved as they are",
      inputs: { x: tensor([1, 1, 1, 3], [nan, inf, -inf]) },
      expected: tensor([1, 3], [nan, inf, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  subsample: [
    {
      name: "NaN and infinities are moved as they are",
      inputs: { x: tensor([1, 1, 1, 3], [nan, 1, -inf]) },
      options: { stride: 2 },
      expected: tensor([1, 1, 1, 2], [nan, -inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  padChannels: [
    {
      name: "zeros beside NaN and infinity are zeros",
      inputs: { x: tensor([1, 1, 1, 2], [nan, inf]) },
      options: { before: 1, after: 1 },
      expected: tensor([1, 3, 1, 2], [0, 0, nan, inf, 0, 0]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
};
