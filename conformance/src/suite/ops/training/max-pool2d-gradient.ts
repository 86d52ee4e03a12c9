import { applyOp, concrete, input, ops, tensor } from "@residual/core";
import { evaluate } from "../carry.ts";
import { maxPool2d } from "../max-pool2d.ts";
import { counting, nine } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { absolute, exact, summed } from "../rounding.ts";

export const maxPool2dGradient: OpSuite<"maxPool2dGradient"> = {
  byHand: [
    {
      name: "to the largest of each window",
      inputs: { x: nine, dy: tensor([1, 1, 1, 1], [5]) },
      options: { window: 3 },
      expected: tensor([1, 1, 3, 3], [0, 0, 0, 0, 0, 0, 0, 0, 5]),
    },
    {
      name: "a pixel sums the windows that it wins",
      inputs: { x: tensor([1, 1, 3, 3], [0, 0, 0, 0, 9, 0, 0, 0, 0]), dy: counting([1, 1, 2, 2]) },
      options: { window: 2, stride: 1 },
      expected: tensor([1, 1, 3, 3], [0, 0, 0, 0, 10, 0, 0, 0, 0]),
    },
    {
      name: "a tie goes to the first in row order",
      inputs: { x: tensor([1, 1, 2, 2], [1, 2, 2, 2]), dy: tensor([1, 1, 1, 1], [3]) },
      options: { window: 2 },
      expected: tensor([1, 1, 2, 2], [0, 3, 0, 0]),
    },
    {
      name: "padding never wins",
      inputs: { x: tensor([1, 1, 2, 2], [-1, -2, -3, -4]), dy: counting([1, 1, 2, 2]) },
      options: { window: 2, padding: 1, stride: 2 },
      expected: tensor([1, 1, 2, 2], [1, 2, 3, 4]),
    },
    {
      name: "what is left over gets nothing",
      inputs: { x: counting([1, 1, 3, 5]), dy: counting([1, 1, 1, 2]) },
      options: { window: 2 },
      expected: tensor([1, 1, 3, 5], [0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0]),
    },
    {
      name: "each plane separately, down and right each their own",
      inputs: { x: tensor([2, 2, 2, 1], [9, 1, -9, -10, 0, 0.5, 4, 3]), dy: counting([2, 2, 1, 1]) },
      options: { window: [2, 1] },
      expected: tensor([2, 2, 2, 1], [1, 0, 2, 0, 0, 3, 4, 0]),
    },
  ],
  special: [],
  draft: maxPool2d.draft.map(({ shapes, attributes = {} }) => {
    const x = shapes.x!;
    const { shape } = applyOp("maxPool2d", { x: input("x", x) }, attributes);
    return { shapes: { x, dy: concrete(shape, 1) }, attributes };
  }),
  /** A pixel is in ⌈window / stride⌉ windows of each axis at the most. */
  bound: ({ x, dy }, attributes, answer) => {
    const { window, stride } = attributes;
    const windows = Math.ceil(window[0] / stride[0]) * Math.ceil(window[1] / stride[1]);
    if (windows === 1) return exact(answer);
    const size = ops.maxPool2dGradient.evaluate({ x, dy: absolute(dy) }, attributes, answer.shape);
    return summed(size, windows - 1, answer.arithmetic, { stored: 2 });
  },
  carry: ({ x }, errors, attributes, shape) => {
    if (errors.x) throw new RangeError("maxPool2dGradient: no rule says how it carries an error of x on");
    return evaluate("maxPool2dGradient", { x, dy: errors.dy! }, attributes, shape);
  },
};
