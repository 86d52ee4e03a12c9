import { defineOp, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { formatShape, type Shape } from "../ir/value.ts";
import { checkBroadcast, eachBroadcast } from "./shared/broadcast.ts";

export interface ExpandOptions {
  /** The shape of the output. −1 at the first axis keeps the size of x, which may be an open batch. */
  readonly shape: readonly number[];
}

export type ExpandAttributes = { readonly shape: readonly number[] };

/**
 * x repeated along axes where its size is 1.
 *
 *   x  ->  shape
 * C1  shape has whole sizes of at least 1; its first may be −1, the size of x.
 * C2  x is a scalar, or has the rank of shape and on each axis the size 1 or the size of shape.
 * The transpose of `sum`. Source: PyTorch expand, ONNX Expand.
 */
export const expand: Op<"expand", "x", never, ExpandOptions, ExpandAttributes> = defineOp({
  name: "expand",
  inputs: { x: "data" },
  attributeKinds: { shape: "list" },
  attributes: ({ shape }: ExpandOptions): ExpandAttributes => ({ shape }),
  shape({ x }, { shape }) {
    const areSizes = shape.every((size, axis) => isSize(size) || (size === -1 && axis === 0 && x.length > 0));
    check(areSizes, "expand.C1", () => `shape is [${shape}], x is ${formatShape(x)}`);
    const full: Shape = shape.map((size, axis) => (size === -1 ? x[axis]! : size));
    checkBroadcast(x, full, "expand.C2", "x");
    return full;
  },
  evaluate({ x }, _, shape) {
    const y = new Float64Array(sizeOf(shape));
    eachBroadcast(x.shape, shape, (i, at) => {
      y[i] = x.data[at]!;
    });
    return y;
  },
});

const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 1;
