import { checkWhole, defineOp, dims4, type Op, type Pair, pair, rank4 } from "../ir/define-op.ts";
import { subsampleGradient } from "./subsample-gradient.ts";

export interface SubsampleOptions {
  /** Step between the pixels that are kept, starting with the first; one number or [down, right]. */
  readonly stride: Pair;
}

export type SubsampleAttributes = { readonly stride: readonly [number, number] };

/**
 * A strided slice of the image: x[:, :, ::stride, ::stride].
 *
 *   x [N, C, H, W]  ->  [N, C, ⌈H / stride⌉, ⌈W / stride⌉]
 * C1  x has rank 4.
 * C2  stride is whole and at least 1.
 * Source: option A of He et al. 2015, section 4.2, together with padChannels.
 */
export const subsample: Op<"subsample", "x", never, SubsampleOptions, SubsampleAttributes> = defineOp({
  name: "subsample",
  inputs: { x: "data" },
  attributeKinds: { stride: "pair" },
  attributes: ({ stride }: SubsampleOptions): SubsampleAttributes => ({ stride: pair(stride) }),
  shape({ x }, { stride }) {
    const [n, c, h, w] = rank4(x, "subsample.C1");
    checkWhole(stride, 1, "subsample.C2", "stride");
    return [n, c, Math.ceil(h / stride[0]), Math.ceil(w / stride[1])];
  },
  evaluate({ x }, { stride }, shape) {
    const [n, c, oh, ow] = dims4(shape);
    const [, , h, w] = dims4(x.shape);
    const y = new Float64Array(n * c * oh * ow);
    for (let to = 0, plane = 0; plane < n * c; plane++) {
      for (let i = 0; i < oh; i++) {
        const line = (plane * h + i * stride[0]) * w;
        for (let j = 0; j < ow; j++) y[to++] = x.data[line + j * stride[1]]!;
      }
    }
    return y;
  },
  gradient({ inputs: { x }, attributes: { stride } }, dy) {
    const [, , ...size] = rank4(x.shape, "subsample.C1");
    return { x: subsampleGradient({ dy }, { stride, size }) };
  },
});
