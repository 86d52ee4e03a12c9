import { type AttributesOf, ops, type Tensor, tensor, tensorOf } from "@residual/core";
import { isWinograd, winogradMagnitudes, winogradRoundings } from "../../winograd.ts";
import { throughBoth } from "../carry.ts";
import { convolution } from "../convolution.ts";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { magnitudes, summed } from "../rounding.ts";
import { outputOf } from "./convolutions.ts";

export const conv2dInputGradient: OpSuite<"conv2dInputGradient"> = {
  byHand: [
    {
      name: "each pixel gets the taps that read it",
      inputs: { dy: tensor([1, 1, 1, 2], [1, 10]), weight: tensor([1, 1, 1, 2], [2, 3]) },
      options: { size: [1, 3] },
      expected: tensor([1, 1, 1, 3], [2, 23, 30]),
    },
    {
      name: "taps on padding are lost",
      inputs: { dy: tensor([1, 1, 1, 2], [1, 10]), weight: tensor([1, 1, 1, 3], [2, 3, 4]) },
      options: { size: [1, 2], padding: [0, 1, 0, 1] },
      expected: tensor([1, 1, 1, 2], [23, 34]), // 3 · 1 + 2 · 10, 4 · 1 + 3 · 10
    },
    {
      name: "two down: pixels between the windows get nothing, nor do those that are left over",
      inputs: { dy: tensor([1, 1, 1, 2], [1, 10]), weight: tensor([1, 1, 1, 1], [2]) },
      options: { size: [1, 4], stride: [1, 2] },
      expected: tensor([1, 1, 1, 4], [2, 0, 20, 0]),
    },
    {
      name: "channels: sums over outputs, not inputs",
      inputs: { dy: tensor([1, 2, 1, 1], [1, 10]), weight: tensor([2, 3, 1, 1], [1, 2, 3, 4, 5, 6]) },
      options: { size: 1 },
      expected: tensor([1, 3, 1, 1], [41, 52, 63]),
    },
    {
      name: "groups, and each image by itself",
      inputs: { dy: counting([2, 2, 1, 1]), weight: tensor([2, 1, 1, 1], [10, 100]) },
      options: { size: 1, groups: 2 },
      expected: tensor([2, 2, 1, 1], [10, 200, 30, 400]),
    },
    {
      name: "dilation",
      inputs: { dy: tensor([1, 1, 1, 1], [2]), weight: tensor([1, 1, 1, 2], [3, 4]) },
      options: { size: [1, 3], dilation: [1, 2] },
      expected: tensor([1, 1, 1, 3], [6, 0, 8]),
    },
    {
      name: "a 3 × 3 kernel on 2 × 2 pixels is turned by half a turn",
      inputs: { dy: tensor([1, 1, 2, 2], [1, 0, 0, 0]), weight: counting([1, 1, 3, 3]) },
      options: { size: 2, padding: 1 },
      expected: tensor([1, 1, 2, 2], [5, 6, 8, 9]),
    },
  ],
  special: [
    {
      name: "NaN and infinity reach the pixels that they come from",
      inputs: { dy: tensor([1, 1, 1, 3], [nan, 1, inf]), weight: tensor([1, 1, 1, 1], [2]) },
      options: { size: [1, 3] },
      expected: tensor([1, 1, 1, 3], [nan, 2, inf]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: convolution.map(({ x, weight, attributes }) => ({
    shapes: { dy: outputOf({ x, weight }, attributes), weight },
    attributes: { ...attributes, size: x.slice(2) },
  })),
  /** γₙ·Σ|w·dy|: each tap of each output of the group is a term. With stride 1 it is a convolution of dy. */
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const { dy, weight } = inputs;
    const size = ops.conv2dInputGradient.evaluate(magnitudes(inputs), attributes, shape);
    const outputs = weight.shape[0]! / attributes.groups;
    const options = { stored: 3 + arithmetic.products, factors: [dy, weight] };
    const bound = summed(size, outputs * weight.shape[2]! * weight.shape[3]!, arithmetic, options);
    const [top, left, bottom, right] = attributes.padding;
    if (!isWinograd(attributes, weight) || Math.max(top, left, bottom, right) > 2) return bound;
    const turned = { ...attributes, padding: [2 - top, 2 - left, 2 - bottom, 2 - right] as const };
    for (const name of arithmetic.winograd) {
      const transformed = winogradMagnitudes(name, { x: dy, weight: turn(weight, attributes) }, turned, shape);
      const other = summed(transformed, outputs + winogradRoundings(name), arithmetic, options);
      for (let i = 0; i < bound.length; i++) bound[i] = Math.max(bound[i]!, other[i]!);
    }
    return bound;
  },
  carry: throughBoth("conv2dInputGradient", "dy", "weight"),
};

/** The weight of the convolution of dy: [O, C/g, …] as [C, O/g, …], with its taps in reverse order. */
function turn(
  { shape, data }: Tensor<"float64">,
  { groups }: Pick<AttributesOf<"conv2d">, "groups">,
): Tensor<"float64"> {
  const [outputs, perGroup, kh, kw] = shape as [number, number, number, number];
  const [rows, taps] = [outputs / groups, kh * kw];
  const turned = new Float64Array(data.length);
  for (let o = 0; o < outputs; o++) {
    const group = Math.floor(o / rows);
    for (let c = 0; c < perGroup; c++) {
      for (let tap = 0; tap < taps; tap++) {
        const to = ((group * perGroup + c) * rows + (o % rows)) * taps + taps - 1 - tap;
        turned[to] = data[(o * perGroup + c) * taps + tap]!;
      }
    }
  }
  return tensorOf("float64", [perGroup * groups, rows, kh, kw], turned);
}
