import { applyOp, concrete, input, tensor } from "@residual/core";
import { averagePool2d } from "../average-pool2d.ts";
import { counting } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const averagePool2dGradient: OpSuite<"averagePool2dGradient"> = {
  byHand: [
    {
      name: "each pixel of a window gets its share",
      inputs: { dy: tensor([1, 1, 1, 2], [4, 8]) },
      options: { window: 2, size: [2, 4] },
      expected: tensor([1, 1, 2, 4], [1, 1, 2, 2, 1, 1, 2, 2]),
    },
    {
      name: "windows overlap",
      inputs: { dy: tensor([1, 1, 1, 2], [2, 4]) },
      options: { window: [1, 2], stride: 1, size: [1, 3] },
      expected: tensor([1, 1, 1, 3], [1, 3, 2]),
    },
    {
      name: "a window that sticks out divides by the pixels that it sees",
      inputs: { dy: tensor([1, 1, 1, 2], [2, 4]) },
      options: { window: [1, 2], ceil: true, size: [1, 3] },
      expected: tensor([1, 1, 1, 3], [1, 1, 4]),
    },
    {
      name: "pixels left over get nothing",
      inputs: { dy: tensor([1, 1, 1, 1], [2]) },
      options: { window: [1, 2], size: [1, 3] },
      expected: tensor([1, 1, 1, 3], [1, 1, 0]),
    },
    {
      name: "each plane by itself",
      inputs: { dy: counting([2, 2, 1, 1]) },
      options: { window: [2, 1], size: [2, 1] },
      expected: tensor([2, 2, 2, 1], [0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2]),
    },
  ],
  special: [],
  draft: averagePool2d.draft.map(({ shapes, attributes = {} }) => {
    const x = shapes.x!;
    const { shape } = applyOp("averagePool2d", { x: input("x", x) }, attributes);
    return { shapes: { dy: concrete(shape, 1) }, attributes: { ...attributes, size: x.slice(2) } };
  }),
};
