import { ops, tensor } from "@residual/core";
import { throughProducts } from "./carry.ts";
import { convolution, convolved, cutConvolution } from "./convolution.ts";
import { counting, exactly, inf, large, nan, nine, ones } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";

export const conv2d: OpSuite<"conv2d"> = {
  byHand: [
    {
      name: "the kernel is not flipped", // a convolution in the mathematical sense would answer 9·1 + …
      inputs: { x: counting([1, 1, 2, 2]), weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]) },
      expected: tensor([1, 1, 1, 1], [4321]),
    },
    {
      name: "rows come before columns in the kernel",
      inputs: { x: nine, weight: tensor([1, 1, 1, 3], [1, 0, -1]) },
      expected: tensor([1, 1, 3, 1], [-2, -2, -2]),
    },
    {
      name: "padding is zeros, on each side its own", // top 1, left 0, bottom 0, right 2
      inputs: { x: counting([1, 1, 2, 2]), weight: tensor([1, 1, 2, 2], [1, 1, 1, 1]) },
      options: { padding: [1, 0, 0, 2] },
      expected: tensor([1, 1, 2, 3], [3, 2, 0, 10, 6, 0]),
    },
    {
      name: "stride starts at the first pixel, and drops what is left over",
      inputs: { x: counting([1, 1, 4, 4]), weight: tensor([1, 1, 1, 1], [1]) },
      options: { stride: [3, 2] },
      expected: tensor([1, 1, 2, 2], [1, 3, 13, 15]),
    },
    {
      name: "stride with padding", // the windows' upper left corners are at −1 and 1
      inputs: { x: nine, weight: tensor([1, 1, 2, 2], [1, 1, 1, 1]) },
      options: { stride: 2, padding: 1 },
      expected: tensor([1, 1, 2, 2], [1, 5, 11, 28]),
    },
    {
      name: "dilation, down and right each its own",
      inputs: { x: counting([1, 1, 3, 4]), weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]) },
      options: { dilation: [2, 3] },
      expected: tensor([1, 1, 1, 1], [1 + 40 + 900 + 12000]),
    },
    {
      name: "groups stay in order", // channels 1, 2 make outputs 1, 2; channels 3, 4 outputs 3, 4
      inputs: {
        x: tensor([1, 4, 1, 1], [1, 2, 3, 4]),
        weight: tensor([4, 2, 1, 1], [1, 10, 100, 1000, 2, 20, 200, 2000]),
      },
      options: { groups: 2 },
      expected: tensor([1, 4, 1, 1], [21, 2100, 86, 8600]),
    },
    {
      name: "depthwise, two outputs a channel",
      inputs: { x: tensor([1, 2, 1, 1], [3, 5]), weight: tensor([4, 1, 1, 1], [1, 10, 100, 1000]) },
      options: { groups: 2 },
      expected: tensor([1, 4, 1, 1], [3, 30, 500, 5000]),
    },
    {
      name: "a bias for each channel, at each pixel",
      inputs: {
        x: tensor([1, 1, 1, 2], [1, 2]),
        weight: tensor([3, 1, 1, 1], [1, 1, 1]),
        bias: tensor([3], [10, 20, 30]),
      },
      expected: tensor([1, 3, 1, 2], [11, 12, 21, 22, 31, 32]),
    },
    {
      name: "weights of a square layer are [out, in]",
      inputs: { x: tensor([1, 2, 1, 1], [1, 2]), weight: tensor([2, 2, 1, 1], [1, 10, 100, 1000]) },
      expected: tensor([1, 2, 1, 1], [21, 2100]),
    },
    {
      name: "the second image gets the second answer",
      inputs: { x: tensor([2, 1, 1, 2], [1, 2, 30, 40]), weight: tensor([1, 1, 1, 2], [1, 1]) },
      expected: tensor([2, 1, 1, 1], [3, 70]),
    },
    {
      name: "a kernel larger than the image, in padding",
      inputs: { x: tensor([1, 1, 1, 1], [7]), weight: counting([1, 1, 3, 3]) },
      options: { padding: 1 },
      expected: tensor([1, 1, 1, 1], [35]),
    },
    {
      name: "seven columns: none is skipped where tiles are of four or eight",
      inputs: { x: counting([1, 1, 1, 7]), weight: tensor([5, 1, 1, 1], [1, 2, 3, 4, 5]) },
      expected: tensor(
        [1, 5, 1, 7],
        [1, 2, 3, 4, 5].flatMap((w) => [1, 2, 3, 4, 5, 6, 7].map((x) => w * x)),
      ),
    },
  ],
  special: [
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
      expected: exactly([1, 1, 1, 1], [-large * large]),
    },
    {
      name: "sums near the largest number",
      inputs: { x: tensor([1, 1, 1, 3], [1e38, 1e38, 1e38]), weight: ones },
      expected: tensor([1, 1, 1, 1], [3 * large]),
    },
  ],
  draft: convolution.map(({ x, weight, bias, attributes }) => ({ shapes: { x, weight, ...bias }, attributes })),
  /** |fl(Σ w·x + b) − …| ≤ γₙ·(Σ|w·x| + |b|) with n products and sums (Higham 2002, equation 3.5). */
  bound: (inputs, attributes, answer) => convolved(inputs, attributes, answer),
  carry: throughProducts("conv2d"),
  cut: cutConvolution,
  recorded: {
    conv2d: ({ x, w, b }, { stride, pads, dilation, groups }) =>
      ops.conv2d(
        { x: x!, weight: w!, bias: b },
        { stride: stride!, padding: pads!, dilation: dilation!, groups: groups! },
      ),
  },
};
