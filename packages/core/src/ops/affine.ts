import { defineOp, type Op } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";

export interface AffineOptions {
  /** Default 1. */
  readonly factor?: number;
  /** Default 0. */
  readonly offset?: number;
}

export type AffineAttributes = { readonly factor: number; readonly offset: number };

/**
 * Each element times one number, plus another: factor · x + offset.
 *
 *   x  ->  the same shape
 * C1  factor and offset are finite.
 * Source: PyTorch torch.add(offset, x, alpha=factor), ONNX Mul and Add with scalars.
 */
export const affine: Op<"affine", "x", never, AffineOptions, AffineAttributes> = defineOp({
  name: "affine",
  inputs: { x: "data" },
  attributeKinds: { factor: "number", offset: "number" },
  attributes: ({ factor = 1, offset = 0 }: AffineOptions): AffineAttributes => ({ factor, offset }),
  shape({ x }, { factor, offset }) {
    const areFinite = Number.isFinite(factor) && Number.isFinite(offset);
    check(areFinite, "affine.C1", `factor is ${factor}, offset is ${offset}`);
    return x;
  },
  evaluate: ({ x }, { factor, offset }) => {
    const y = new Float64Array(x.data.length);
    for (let i = 0; i < y.length; i++) y[i] = factor * x.data[i]! + offset;
    return y;
  },
  gradient: ({ attributes: { factor } }, dy) => ({ x: affine({ x: dy }, { factor }) }),
});
