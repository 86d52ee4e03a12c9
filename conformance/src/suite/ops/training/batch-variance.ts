import { type Tensor, tensor, tensorOf, toFloat64 } from "@residual/core";
import { evaluate } from "../carry.ts";
import { image } from "../drafts.ts";
import { counting, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const batchVariance: OpSuite<"batchVariance"> = {
  byHand: [
    {
      name: "biased: divided by the number of values",
      inputs: { x: counting([1, 1, 1, 4]), mean: tensor([1], [2.5]) },
      expected: tensor([1], [1.25]),
    },
    {
      name: "over images and pixels", // 1 2 5 6 around 3.5, 3 4 7 8 around 5.5
      inputs: { x: counting([2, 2, 1, 2]), mean: tensor([2], [3.5, 5.5]) },
      expected: tensor([2], [4.25, 4.25]),
    },
    {
      name: "a large mean does not cancel",
      inputs: { x: tensor([1, 1, 1, 2], [4096, 4098]), mean: tensor([1], [4097]) },
      expected: tensor([1], [1]),
    },
    {
      name: "of equal numbers is 0",
      inputs: { x: tensor([2, 1, 1, 2], [7, 7, 7, 7]), mean: tensor([1], [7]) },
      expected: tensor([1], [0]),
    },
  ],
  special: [
    {
      name: "NaN stays in its channel",
      inputs: { x: tensor([1, 2, 1, 2], [nan, 1, 1, 3]), mean: tensor([2], [nan, 2]) },
      expected: tensor([2], [nan, 1]),
      shows: ["drops NaN"],
    },
  ],
  draft: image.map((x) => ({ shapes: { x, mean: [x[1]] } })),
  agree: ({ x }) => ({ x, mean: meanOf(x) }),
};

/** The channels' means. The op takes no other vector. */
function meanOf(x: Tensor<"float32">): Tensor<"float32"> {
  const shape = [x.shape[1]!];
  return tensorOf("float32", shape, Float32Array.from(evaluate("batchMean", { x: toFloat64(x) }, {}, shape)));
}
