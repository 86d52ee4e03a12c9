import { tensor } from "@residual/core";
import { counting, inf, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";
import { subsample } from "../subsample.ts";

export const subsampleGradient: OpSuite<"subsampleGradient"> = {
  byHand: [
    {
      name: "zeros between the pixels",
      inputs: { dy: counting([1, 1, 2, 2]) },
      options: { stride: 2, size: 3 },
      expected: tensor([1, 1, 3, 3], [1, 0, 2, 0, 0, 0, 3, 0, 4]),
    },
    {
      name: "zeros behind the last",
      inputs: { dy: counting([1, 1, 1, 2]) },
      options: { stride: [1, 2], size: [1, 4] },
      expected: tensor([1, 1, 1, 4], [1, 0, 2, 0]),
    },
    {
      name: "down and right each their own",
      inputs: { dy: counting([1, 1, 2, 1]) },
      options: { stride: [2, 3], size: [3, 2] },
      expected: tensor([1, 1, 3, 2], [1, 0, 0, 0, 2, 0]),
    },
    {
      name: "each plane by itself",
      inputs: { dy: counting([2, 2, 1, 1]) },
      options: { stride: 2, size: [1, 2] },
      expected: tensor([2, 2, 1, 2], [1, 0, 2, 0, 3, 0, 4, 0]),
    },
  ],
  special: [
    {
      name: "zeros beside NaN and infinity are zeros",
      inputs: { dy: tensor([1, 1, 1, 2], [nan, inf]) },
      options: { stride: 2, size: [1, 4] },
      expected: tensor([1, 1, 1, 4], [nan, 0, inf, 0]),
      shows: ["drops NaN", "turns infinity into NaN"],
    },
  ],
  draft: subsample.draft.map(({ shapes, attributes = {} }) => {
    const [n, c, h, w] = shapes.x as readonly [number, number, number, number];
    const { stride } = attributes as { readonly stride: readonly [number, number] };
    return {
      shapes: { dy: [n, c, Math.ceil(h / stride[0]), Math.ceil(w / stride[1])] },
      attributes: { stride, size: [h, w] },
    };
  }),
  /** The numbers of dy are moved, or multiplied by 1. */
  bound: (_inputs, _attributes, answer) => exact(answer),
};
