import { tensor } from "@residual/core";
import fc from "fast-check";
import { exactly, nan } from "../numbers.ts";
import type { OpSuite } from "../op-suite.ts";

export const clipFactor: OpSuite<"clipFactor"> = {
  byHand: [
    {
      name: "a short gradient stays",
      inputs: { squares: tensor([], [4]) },
      options: { limit: 5 },
      expected: tensor([], [1]),
    },
    {
      name: "a long gradient is scaled to the limit",
      inputs: { squares: tensor([], [64]) },
      options: { limit: 2 },
      expected: exactly([], [2 / (8 + 1e-6)]),
    },
    { name: "no gradient", inputs: { squares: tensor([], [0]) }, options: { limit: 0.5 }, expected: tensor([], [1]) },
    {
      name: "a gradient of the limit's length is scaled by epsilon",
      inputs: { squares: tensor([], [1]) },
      options: { limit: 1 },
      expected: exactly([], [1 / (1 + 1e-6)]),
    },
  ],
  special: [
    {
      name: "NaN travels",
      inputs: { squares: tensor([], [nan]) },
      options: { limit: 1 },
      expected: tensor([], [nan]),
      shows: ["drops NaN"],
    },
  ],
  draft: fc.constantFrom(0.1, 1, 2.5).map((limit) => ({ shapes: { squares: [] }, attributes: { limit } })),
  ranges: { squares: [0, 9] },
};
