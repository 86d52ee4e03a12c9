import { ops, tensor } from "@residual/core";
import { throughX } from "./carry.ts";
import { oneImage } from "./drafts.ts";
import { cutImage } from "./field.ts";
import { counting, inf, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { DIVISION, magnitudes, summed } from "./rounding.ts";

export const globalAveragePool: OpSuite<"globalAveragePool"> = {
  byHand: [
    {
      name: "over rows and columns, for each channel of each image",
      inputs: { x: counting([2, 2, 2, 1]) },
      expected: tensor([2, 2, 1, 1], [1.5, 3.5, 5.5, 7.5]),
    },
    {
      name: "of one pixel it is that",
      inputs: { x: tensor([1, 2, 1, 1], [3, -4]) },
      expected: tensor([1, 2, 1, 1], [3, -4]),
    },
    { name: "seven by seven", inputs: { x: counting([1, 1, 7, 7]) }, expected: tensor([1, 1, 1, 1], [25]) },
    {
      name: "what cancels is 0",
      inputs: { x: tensor([1, 1, 1, 4], [1, -1, 8, -8]) },
      expected: tensor([1, 1, 1, 1], [0]),
    },
  ],
  special: [
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
  draft: oneImage,
  bound: (inputs, attributes, { shape, arithmetic }) => {
    const size = ops.globalAveragePool.evaluate(magnitudes(inputs), attributes, shape);
    return summed(size, inputs.x.data.length / size.length - 1 + DIVISION, arithmetic, { stored: 2 });
  },
  carry: throughX("globalAveragePool"),
  cut: ({ x }, _, [n = 0, c = 0]) => {
    const [, , h, w] = x.shape as [number, number, number, number];
    return { inputs: { x: cutImage(x, n, [c, c + 1], [0, h], [0, w]).image }, attributes: {} };
  },
  recorded: {
    global_avg_pool: ({ x }) => ops.globalAveragePool({ x: x! }),
  },
};
