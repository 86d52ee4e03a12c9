import { ops, type Tensor, tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { throughProducts } from "./carry.ts";
import { upTo } from "./drafts.ts";
import { biasAt } from "./field.ts";
import { counting, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { eightBits } from "./quantized.ts";
import { absolute, magnitudes, summed } from "./rounding.ts";

export const linear: OpSuite<"linear"> = {
  byHand: [
    {
      name: "weights of a square layer are [out, in]",
      inputs: { x: tensor([1, 2], [1, 2]), weight: tensor([2, 2], [1, 10, 100, 1000]) },
      expected: tensor([1, 2], [21, 2100]),
    },
    {
      name: "a bias for each output",
      inputs: { x: tensor([1, 1], [2]), weight: tensor([3, 1], [1, 2, 3]), bias: tensor([3], [10, 20, 30]) },
      expected: tensor([1, 3], [12, 24, 36]),
    },
    {
      name: "each row of a batch",
      inputs: { x: tensor([2, 2], [1, 2, 3, 4]), weight: tensor([1, 2], [1, 10]), bias: tensor([1], [100]) },
      expected: tensor([2, 1], [121, 143]),
    },
    {
      name: "nine features: the last is not lost where sums go by eight",
      inputs: { x: counting([1, 9]), weight: tensor([1, 9], [0, 0, 0, 0, 0, 0, 0, 0, 1]) },
      expected: tensor([1, 1], [9]),
    },
  ],
  special: [
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
  draft: fc
    .record({ batch: upTo(4), inputs: upTo(40), outputs: upTo(20), bias: fc.boolean() })
    .map(({ batch, inputs, outputs, bias }) => ({
      shapes: { x: [batch, inputs], weight: [outputs, inputs], ...(bias && { bias: [outputs] }) },
    })),
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const { x, weight, bias } = inputs;
    const size = ops.linear.evaluate(magnitudes(inputs), attributes, shape);
    const terms = weight.shape[1]! + (bias ? 1 : 0);
    const bound = summed(size, terms, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
    if (!arithmetic.int8) return bound;
    const ones = { ...weight, data: weight.data.map(() => 1) };
    const ofX = ops.linear.evaluate({ x: absolute(x), weight: ones }, attributes, shape);
    const cost = eightBits(x, weight);
    return bound.map((each, i) => each + cost(i % shape[1]!, ofX[i]!));
  },
  carry: throughProducts("linear"),
  cut: ({ x, weight, bias }, _, [n = 0, o = 0]) => {
    const features = weight.shape[1]!;
    const row = (of: Tensor<"float32">, at: number) =>
      tensorOf("float32", [1, features], of.data.slice(at * features, (at + 1) * features));
    return { inputs: { x: row(x, n), weight: row(weight, o), ...biasAt(bias, o) }, attributes: {} };
  },
  recorded: {
    linear: ({ x, w, b }) => ops.linear({ x: x!, weight: w!, bias: b }),
  },
};
