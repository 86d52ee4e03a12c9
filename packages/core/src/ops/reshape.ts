import { defineOp, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { concrete, formatShape } from "../ir/value.ts";
import { kept } from "./shared/broadcast.ts";

export interface ReshapeOptions {
  /** The shape of the output. −1 at the first axis stands for the size that is left, which may be an open batch. */
  readonly shape: readonly number[];
}

export type ReshapeAttributes = { readonly shape: readonly number[] };

/**
 * The same elements, in row-major order, in another shape.
 *
 *   x  ->  shape
 * C1  shape has whole sizes of at least 1; its first may be −1, and is −1 if the batch of x is open.
 * C2  x and the output have the same number of elements, for each size of an open batch.
 * Source: PyTorch reshape, ONNX Reshape.
 */
export const reshape: Op<"reshape", "x", never, ReshapeOptions, ReshapeAttributes> = defineOp({
  name: "reshape",
  inputs: { x: "data" },
  attributeKinds: { shape: "list" },
  attributes: ({ shape }: ReshapeOptions): ReshapeAttributes => ({ shape }),
  shape({ x }, { shape }) {
    const isOpen = x[0] === "N";
    const infers = shape[0] === -1;
    const sizes = infers ? shape.slice(1) : shape;
    const areSizes = sizes.every((size) => Number.isSafeInteger(size) && size >= 1) && (infers || !isOpen);
    check(areSizes, "reshape.C1", () => `shape is [${shape}], x is ${formatShape(x)}`);
    const left = sizeOf(concrete(x, 1)) / sizeOf(sizes);
    const fits = infers && !isOpen ? Number.isInteger(left) : left === 1;
    check(fits, "reshape.C2", () => `x ${formatShape(x)} does not have the elements of [${shape}]`);
    return infers ? [isOpen ? "N" : left, ...sizes] : shape;
  },
  evaluate: ({ x }) => x.data.slice(),
  gradient: ({ inputs: { x } }, dy) => ({ x: reshape({ x: dy }, { shape: kept(x.shape) }) }),
});
