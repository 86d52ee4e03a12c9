import { ops, tensor } from "@residual/core";
import { throughBoth } from "../carry.ts";
import { convolution } from "../convolution.ts";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { magnitudes, summed } from "../rounding.ts";
import { outputOf } from "./convolutions.ts";

export const conv2dWeightGradient: OpSuite<"conv2dWeightGradient"> = {
  byHand: [
    {
      name: "each tap gets the pixels that it reads",
      inputs: { x: tensor([1, 1, 1, 3], [1, 2, 3]), dy: tensor([1, 1, 1, 2], [1, 10]) },
      options: { kernel: [1, 2] },
      expected: tensor([1, 1, 1, 2], [21, 32]),
    },
    {
      name: "padding is zeros",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]), dy: tensor([1, 1, 1, 2], [1, 10]) },
      options: { kernel: [1, 3], padding: [0, 1, 0, 1] },
      expected: tensor([1, 1, 1, 3], [10, 21, 2]),
    },
    {
      name: "two down: the pixels left over are not read",
      inputs: { x: tensor([1, 1, 1, 4], [1, 2, 3, 4]), dy: tensor([1, 1, 1, 2], [1, 10]) },
      options: { kernel: 1, stride: [1, 2] },
      expected: tensor([1, 1, 1, 1], [31]),
    },
    {
      name: "a sum over the images",
      inputs: { x: tensor([3, 1, 1, 1], [1, 2, 3]), dy: tensor([3, 1, 1, 1], [1, 10, 100]) },
      options: { kernel: 1 },
      expected: tensor([1, 1, 1, 1], [321]),
    },
    {
      name: "[out, in]: a product of each output with each input",
      inputs: { x: tensor([1, 2, 1, 1], [2, 3]), dy: tensor([1, 3, 1, 1], [1, 10, 100]) },
      options: { kernel: 1 },
      expected: tensor([3, 2, 1, 1], [2, 3, 20, 30, 200, 300]),
    },
    {
      name: "groups",
      inputs: { x: tensor([1, 2, 1, 1], [2, 3]), dy: tensor([1, 2, 1, 1], [10, 100]) },
      options: { kernel: 1, groups: 2 },
      expected: tensor([2, 1, 1, 1], [20, 300]),
    },
    {
      name: "dilation",
      inputs: { x: counting([1, 1, 1, 3]), dy: tensor([1, 1, 1, 1], [2]) },
      options: { kernel: [1, 2], dilation: [1, 2] },
      expected: tensor([1, 1, 1, 2], [2, 6]),
    },
  ],
  special: [
    {
      name: "NaN stays with its output",
      inputs: { x: tensor([1, 1, 1, 2], [1, 2]), dy: tensor([1, 2, 1, 2], [nan, 1, 1, 1]) },
      options: { kernel: 1 },
      expected: tensor([2, 1, 1, 1], [nan, 3]),
      shows: ["drops NaN"],
    },
  ],
  draft: convolution.map(({ x, weight, attributes }) => ({
    shapes: { x, dy: outputOf({ x, weight }, attributes) },
    attributes: { ...attributes, kernel: weight.slice(2) },
  })),
  /** γₙ·Σ|x·dy|: each pixel of dy of each image is a term. */
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const { x, dy } = inputs;
    const size = ops.conv2dWeightGradient.evaluate(magnitudes(inputs), attributes, shape);
    const [n, , oh, ow] = dy.shape as [number, number, number, number];
    return summed(size, n * oh * ow, arithmetic, { stored: 3 + arithmetic.products, factors: [x, dy] });
  },
  carry: throughBoth("conv2dWeightGradient", "x", "dy"),
};
