import { defineOp, noAttributes, type Op, rank4 } from "../ir/define-op.ts";
import { reshape } from "./reshape.ts";
import { kept } from "./shared/broadcast.ts";

/**
 * Each image's numbers in one row.
 *
 *   x [N, C, H, W]  ->  [N, C·H·W]
 * C1  x has rank 4.
 * Source: PyTorch flatten(x, 1).
 */
export const flatten: Op<"flatten", "x"> = defineOp({
  name: "flatten",
  inputs: { x: "data" },
  ...noAttributes,
  shape({ x }) {
    const [n, c, h, w] = rank4(x, "flatten.C1");
    return [n, c * h * w];
  },
  evaluate: ({ x }) => x.data.slice(),
  gradient: ({ inputs: { x } }, dy) => ({ x: reshape({ x: dy }, { shape: kept(x.shape) }) }),
});
