import { tensor, tensorOf } from "@residual/core";
import { counting } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";
import { exact } from "../rounding.ts";
import { any } from "./drafts.ts";

export const choose: OpSuite<"choose"> = {
  byHand: [
    {
      name: "after",
      inputs: { before: counting([2, 2]), after: counting([2, 2], 5), condition: tensor([], [1]) },
      expected: counting([2, 2], 5),
    },
    {
      name: "before",
      inputs: { before: counting([2, 2]), after: counting([2, 2], 5), condition: tensor([], [0]) },
      expected: counting([2, 2]),
    },
    {
      name: "of kernels",
      inputs: { before: counting([5, 1, 1, 1]), after: counting([5, 1, 1, 1], 7), condition: tensor([], [1]) },
      expected: counting([5, 1, 1, 1], 7),
    },
    {
      name: "of scalars",
      inputs: { before: tensor([], [3]), after: tensor([], [4]), condition: tensor([], [0]) },
      expected: tensor([], [3]),
    },
  ],
  special: [],
  draft: any.map((shape) => ({ shapes: { before: shape, after: shape, condition: [] } })),
  agree: (inputs) => ({
    ...inputs,
    condition: tensorOf("float32", [], Float32Array.of(inputs.condition.data[0]! > 0 ? 1 : 0)),
  }),
  /** A choice, or products with 1 and 0. */
  bound: (_inputs, _attributes, answer) => exact(answer),
};
