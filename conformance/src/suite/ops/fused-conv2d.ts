import { tensor } from "@residual/core";
import { convolution, convolved, cutConvolution } from "./convolution.ts";
import { inf, nan, nine } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";

export const fusedConv2d: OpSuite<"fusedConv2d"> = {
  byHand: [
    {
      name: "relu comes after the residual, not before", // −5 + 3 and 5 − 7 are negative, −2 + 4 is not
      inputs: {
        x: tensor([1, 1, 1, 4], [-5, 5, -2, 1]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 4], [3, -7, 4, 1]),
      },
      options: { relu: true },
      expected: tensor([1, 1, 1, 4], [0, 0, 2, 2]),
    },
    {
      name: "without relu negative numbers stay",
      inputs: {
        x: tensor([1, 1, 1, 2], [-5, 5]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([1, 1, 1, 2], [3, -7]),
      },
      options: { relu: false },
      expected: tensor([1, 1, 1, 2], [-2, -2]),
    },
    {
      name: "bias, then relu",
      inputs: { x: tensor([1, 1, 1, 2], [-5, 5]), weight: tensor([1, 1, 1, 1], [1]), bias: tensor([1], [-3]) },
      options: { relu: true },
      expected: tensor([1, 1, 1, 2], [0, 2]),
    },
    {
      name: "bias and residual are added once each",
      inputs: {
        x: tensor([1, 1, 1, 1], [1]),
        weight: tensor([2, 1, 1, 1], [1, 2]),
        bias: tensor([2], [10, 20]),
        residual: tensor([1, 2, 1, 1], [100, 200]),
      },
      options: { relu: true },
      expected: tensor([1, 2, 1, 1], [111, 222]),
    },
    {
      name: "nothing but a convolution",
      inputs: { x: nine, weight: tensor([1, 1, 2, 2], [1, 0, 0, -1]) },
      expected: tensor([1, 1, 2, 2], [-4, -4, -4, -4]),
    },
    {
      name: "stride, padding and groups with a residual",
      inputs: {
        x: tensor([1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
        weight: tensor([2, 1, 2, 2], [1, 1, 1, 1, 1, 0, 0, 0]),
        residual: tensor([1, 2, 1, 1], [-20, 1]),
      },
      options: { stride: 2, groups: 2, relu: true },
      expected: tensor([1, 2, 1, 1], [0, 6]),
    },
    {
      name: "each image has its own residual",
      inputs: {
        x: tensor([2, 1, 1, 1], [1, 2]),
        weight: tensor([1, 1, 1, 1], [1]),
        residual: tensor([2, 1, 1, 1], [10, 20]),
      },
      options: { relu: true },
      expected: tensor([2, 1, 1, 1], [11, 22]),
    },
  ],
  special: [
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
  draft: convolution.map(({ x, weight, bias, residual, attributes, relu }) => ({
    shapes: { x, weight, ...bias, ...residual },
    attributes: { ...attributes, relu },
  })),
  /** conv2d's bound with one more term. ReLU does not enlarge an error: |max(a, 0) − max(b, 0)| ≤ |a − b|. */
  bound: (inputs, attributes, answer) => convolved(inputs, attributes, answer),
  cut: (inputs, attributes, index) => {
    const cut = cutConvolution(inputs, attributes, index);
    return { ...cut, attributes: { ...cut.attributes, relu: attributes.relu } };
  },
};
