import { ops, tensor } from "@residual/core";
import fc from "fast-check";
import { evaluate, orZeros, plus, sum } from "./carry.ts";
import { image } from "./drafts.ts";
import { counting, exactly, inf, large, nan } from "./numbers.ts";
import type { OpSuite } from "./op-suite.ts";
import { magnitudes, rounded } from "./rounding.ts";

export const multiply: OpSuite<"multiply"> = {
  byHand: [
    {
      name: "one gate for each channel",
      inputs: { x: counting([1, 2, 1, 2]), gate: tensor([1, 2, 1, 1], [10, 0.5]) },
      expected: tensor([1, 2, 1, 2], [10, 20, 1.5, 2]),
    },
    {
      name: "each image has its own gates",
      inputs: { x: counting([2, 1, 2, 1]), gate: tensor([2, 1, 1, 1], [1, 10]) },
      expected: tensor([2, 1, 2, 1], [1, 2, 30, 40]),
    },
    {
      name: "a square: channels are gated, not columns",
      inputs: { x: tensor([1, 2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 1]), gate: tensor([1, 2, 1, 1], [2, 3]) },
      expected: tensor([1, 2, 2, 2], [2, 2, 2, 2, 3, 3, 3, 3]),
    },
    {
      name: "a gate for each element",
      inputs: { x: counting([1, 2, 1, 2]), gate: tensor([1, 2, 1, 2], [10, 100, 0.5, -1]) },
      expected: tensor([1, 2, 1, 2], [10, 200, 1.5, -4]),
    },
    {
      name: "a gate for each element of five channels in two images: none is skipped where they go by four",
      inputs: { x: counting([2, 5, 1, 1]), gate: counting([2, 5, 1, 1]) },
      expected: tensor([2, 5, 1, 1], [1, 4, 9, 16, 25, 36, 49, 64, 81, 100]),
    },
    {
      name: "a gate of 0 closes",
      inputs: { x: tensor([1, 1, 1, 2], [-7, 7]), gate: tensor([1, 1, 1, 1], [0]) },
      expected: tensor([1, 1, 1, 2], [0, 0]),
    },
  ],
  special: [
    {
      name: "0 times infinity is NaN",
      inputs: { x: tensor([1, 1, 1, 3], [inf, nan, 1]), gate: tensor([1, 1, 1, 1], [0]) },
      expected: tensor([1, 1, 1, 3], [nan, nan, 0]),
      shows: ["drops NaN"],
    },
    {
      name: "beyond the largest number is infinity",
      inputs: { x: tensor([1, 1, 1, 2], [1e38, -1e38]), gate: tensor([1, 1, 1, 1], [1e38]) },
      expected: exactly([1, 1, 1, 2], [large * large, -large * large]),
    },
    {
      name: "below the smallest is 0",
      inputs: { x: tensor([1, 1, 1, 1], [1e-38]), gate: tensor([1, 1, 1, 1], [1e-38]) },
      expected: tensor([1, 1, 1, 1], [0]),
    },
  ],
  draft: fc
    .tuple(image, fc.boolean())
    .map(([x, isWhole]) => ({ shapes: { x, gate: isWhole ? x : [x[0], x[1], 1, 1] } })),
  bound: (_inputs, _attributes, answer) => rounded(answer, 3),
  /** |x·g − x′·g′| ≤ e(x)·(|g| + e(g)) + |x|·e(g). */
  carry: (inputs, errors, attributes, shape) => {
    const { x, gate } = magnitudes(inputs);
    const ofX = evaluate("multiply", { x: orZeros(errors.x, x), gate: plus(gate, errors.gate) }, attributes, shape);
    const ofGate = evaluate("multiply", { x, gate: orZeros(errors.gate, gate) }, attributes, shape);
    return sum(ofX, ofGate);
  },
  recorded: {
    mul: ({ a, b }) => ops.multiply({ x: a!, gate: b! }),
  },
};
