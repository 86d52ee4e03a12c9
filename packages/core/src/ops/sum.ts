import { defineOp, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { formatShape } from "../ir/value.ts";
import { expand } from "./expand.ts";
import { eachBroadcast, kept } from "./shared/broadcast.ts";

export interface SumOptions {
  /** The axes to sum over, counted from 0. */
  readonly axes: readonly number[];
}

export type SumAttributes = { readonly axes: readonly number[] };

/**
 * The sum over some axes. These axes stay, with size 1.
 *
 *   x  ->  the shape of x with 1 at `axes`
 * C1  axes are whole, increase, and are axes of x.
 * Source: PyTorch sum(dim=axes, keepdim=True), ONNX ReduceSum with keepdims = 1. The sum over no axes is x.
 */
export const sum: Op<"sum", "x", never, SumOptions, SumAttributes> = defineOp({
  name: "sum",
  inputs: { x: "data" },
  attributeKinds: { axes: "list" },
  attributes: ({ axes }: SumOptions): SumAttributes => ({ axes }),
  shape({ x }, { axes }) {
    const areAxes = axes.every((axis, i) => Number.isInteger(axis) && axis < x.length && axis > (axes[i - 1] ?? -1));
    check(areAxes, "sum.C1", () => `axes are [${axes}], x is ${formatShape(x)}`);
    return x.map((size, axis) => (axes.includes(axis) ? 1 : size));
  },
  evaluate({ x }, _, shape) {
    const y = new Float64Array(sizeOf(shape));
    eachBroadcast(shape, x.shape, (i, at) => {
      y[at]! += x.data[i]!;
    });
    return y;
  },
  gradient: ({ inputs: { x } }, dy) => ({ x: expand({ x: dy }, { shape: kept(x.shape) }) }),
});
