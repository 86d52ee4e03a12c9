import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { throughX } from "./carry.ts";
import { both, from0, upTo } from "./drafts.ts";
import { cutImage, fieldOf } from "./field.ts";
import { counting, inf, nan, nine } from "./numbers.ts";
import type { Draft, OpCase, OpSuite } from "./op-suite.ts";
import { exact } from "./rounding.ts";

/** 3 × 3 windows with one NaN each, at a different place in each. */
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

export const maxPool2d: OpSuite<"maxPool2d"> = {
  byHand: [
    {
      name: "padding never wins", // a pool padded with zeros would answer 0
      inputs: { x: tensor([1, 1, 2, 2], [-1, -2, -3, -4]) },
      options: { window: 3, stride: 2, padding: 1 },
      expected: tensor([1, 1, 1, 1], [-1]),
    },
    {
      name: "padding on each side its own", // top 0, left 1, bottom 1, right 0
      inputs: { x: nine },
      options: { window: 2, stride: 2, padding: [0, 1, 1, 0] },
      expected: tensor([1, 1, 2, 2], [4, 6, 7, 9]),
    },
    {
      name: "windows overlap",
      inputs: { x: nine },
      options: { window: 2, stride: 1 },
      expected: tensor([1, 1, 2, 2], [5, 6, 8, 9]),
    },
    {
      name: "what is left over is dropped",
      inputs: { x: counting([1, 1, 3, 5]) },
      options: { window: 2 },
      expected: tensor([1, 1, 1, 2], [7, 9]),
    },
    {
      name: "window and stride, down and right each their own",
      inputs: { x: counting([1, 1, 4, 4]) },
      options: { window: [1, 3], stride: [2, 1] },
      expected: tensor([1, 1, 2, 2], [3, 4, 11, 12]),
    },
    {
      name: "the largest in the first place, and in each plane",
      inputs: { x: tensor([2, 2, 2, 1], [9, 1, -9, -10, 0, 0.5, 4, 3]) },
      options: { window: [2, 1] },
      expected: tensor([2, 2, 1, 1], [9, -9, 0.5, 4]),
    },
  ],
  special: [
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
  draft: fc
    .record({
      planes: both(upTo(3)),
      window: both(upTo(4)),
      stride: both(upTo(4)),
      extra: both(from0(8)),
      part: fc.tuple(from0(4), from0(4), from0(4), from0(4)),
    })
    .map(({ planes, window, stride, extra, part }): Draft => {
      const most = window.map((size) => Math.floor(size / 2)) as [number, number];
      const padding = part.map((each, side) => Math.min(each, most[side % 2]!)) as [number, number, number, number];
      const [top, left, bottom, right] = padding;
      const sides = [
        Math.max(1, window[0] - top - bottom) + extra[0],
        Math.max(1, window[1] - left - right) + extra[1],
      ];
      return { shapes: { x: [...planes, ...sides] }, attributes: { window, stride, padding } };
    }),
  bound: (_inputs, _attributes, answer) => exact(answer),
  carry: throughX("maxPool2d"),
  cut: ({ x }, { window, stride, padding: [top, left] }, index) => {
    const [rows, columns] = fieldOf(index, [top, left], stride, window);
    const { image, padding } = cutImage(x, index[0]!, [index[1]!, index[1]! + 1], rows, columns);
    return { inputs: { x: image }, attributes: { window, stride: window, padding } };
  },
  recorded: {
    max_pool2d: ({ x }, { kernel, stride, pads }) =>
      ops.maxPool2d({ x: x! }, { window: kernel!, stride: stride!, padding: pads! }),
  },
};
