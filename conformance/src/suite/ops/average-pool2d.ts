import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "./carry.ts";
import { both, from0, upTo } from "./drafts.ts";
import { cutImage, fieldOf } from "./field.ts";
import { counting, inf, nan, nine } from "./numbers.ts";
import type { Draft, OpSuite } from "./op-suite.ts";
import { DIVISION, magnitudes, summed } from "./rounding.ts";

export const averagePool2d: OpSuite<"averagePool2d"> = {
  byHand: [
    {
      name: "the mean of the window",
      inputs: { x: counting([1, 1, 2, 4]) },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 2], [3.5, 5.5]),
    },
    {
      name: "with ceil a last window is divided by what it sees", // by 2 and 1, not by 4
      inputs: { x: nine },
      options: { window: 2, ceil: true },
      expected: tensor([1, 1, 2, 2], [3, 4.5, 7.5, 9]),
    },
    {
      name: "without ceil what is left over is dropped",
      inputs: { x: nine },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 1], [3]),
    },
    {
      name: "with ceil an image smaller than the window",
      inputs: { x: tensor([1, 1, 1, 1], [5]) },
      options: { window: 2, ceil: true },
      expected: tensor([1, 1, 1, 1], [5]),
    },
    {
      name: "windows overlap, each plane for itself",
      inputs: { x: counting([1, 2, 1, 3]) },
      options: { window: [1, 2], stride: 1 },
      expected: tensor([1, 2, 1, 2], [1.5, 2.5, 4.5, 5.5]),
    },
  ],
  special: [
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
  draft: fc
    .record({
      planes: both(upTo(3)),
      window: both(upTo(4)),
      stride: both(upTo(4)),
      extra: both(from0(8)),
      ceil: fc.boolean(),
    })
    .map(({ planes, window, stride, extra, ceil }): Draft => {
      const least = ceil ? [1, 1] : window;
      const step = ceil ? stride.map((each, axis) => Math.min(each, window[axis]!)) : stride;
      const sides = [least[0]! + extra[0], least[1]! + extra[1]];
      return { shapes: { x: [...planes, ...sides] }, attributes: { window, stride: step, ceil } };
    }),
  /** n − 1 sums, and either a division good to 2.5 ulp or a product with the rounded 1/n. */
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.averagePool2d.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, attributes.window[0] * attributes.window[1] - 1 + DIVISION, arithmetic, { stored: 2 });
  },
  carry: throughX("averagePool2d"),
  cut: ({ x }, { window, stride }, index) => {
    const [rows, columns] = fieldOf(index, [0, 0], stride, window);
    const { image } = cutImage(x, index[0]!, [index[1]!, index[1]! + 1], rows, columns);
    return { inputs: { x: image }, attributes: { window, stride: window, ceil: true } };
  },
  recorded: {
    avg_pool2d: ({ x }, { kernel, stride, ceilMode }) =>
      ops.averagePool2d({ x: x! }, { window: kernel!, stride: stride!, ceil: ceilMode! }),
  },
};
