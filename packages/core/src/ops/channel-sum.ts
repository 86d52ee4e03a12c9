import { type CompositeOp, defineComposite, noAttributes } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum.ts";

/**
 * The sum of each channel, over images and pixels.
 *
 *   x [N, C] or [N, C, H, W]  ->  [C]
 * C1  x has rank 2 or 4.
 * Composite of sum and reshape. It is the gradient of a bias. Source: PyTorch sum(dim=(0, 2, 3)).
 */
export const channelSum: CompositeOp<"channelSum", "x"> = defineComposite({
  name: "channelSum",
  inputs: { x: "data" },
  ...noAttributes,
  check({ x }) {
    const fits = (x.length === 2 || x.length === 4) && typeof x[1] === "number";
    check(fits, "channelSum.C1", () => `expected [N, C] or [N, C, H, W], found ${formatShape(x)}`);
  },
  decompose({ x }) {
    const axes = x.shape.length === 2 ? [0] : [0, 2, 3];
    return reshape({ x: sum({ x }, { axes }) }, { shape: [x.shape[1] as number] });
  },
});
