import { type CompositeOp, checkWhole, defineComposite, type Pair, pair, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { tensorOf } from "../ir/tensor.ts";
import { constant, formatShape } from "../ir/value.ts";
import { conv2dInputGradient } from "./conv2d-input-gradient.ts";

export interface SubsampleGradientOptions {
  /** Step between the pixels that subsample keeps; one number or [down, right]. */
  readonly stride: Pair;
  /** Height and width of subsample's input x; one number or [height, width]. */
  readonly size: Pair;
}

export type SubsampleGradientAttributes = {
  readonly stride: readonly [number, number];
  readonly size: readonly [number, number];
};

/**
 * The gradient of subsample: dy at the pixels that subsample keeps, and 0 between them.
 *
 *   dy [N, C, ⌈H / stride⌉, ⌈W / stride⌉]  ->  [N, C, H, W],   [H, W] = size
 * C1  dy has rank 4.
 * C2  stride and size are whole and at least 1.
 * C3  dy has the shape of subsample's output for x.
 * Composite: subsample is a strided convolution of each channel with a 1×1 kernel of 1. Its cost is 0 multiply-adds.
 * Source: PyTorch slice_backward.
 */
export const subsampleGradient: CompositeOp<
  "subsampleGradient",
  "dy",
  never,
  SubsampleGradientOptions,
  SubsampleGradientAttributes
> = defineComposite({
  name: "subsampleGradient",
  inputs: { dy: "data" },
  attributeKinds: { stride: "pair", size: "pair" },
  attributes: ({ stride, size }: SubsampleGradientOptions): SubsampleGradientAttributes => ({
    stride: pair(stride),
    size: pair(size),
  }),
  check({ dy }, { stride, size }) {
    const [, , h, w] = rank4(dy, "subsampleGradient.C1");
    checkWhole([...stride, ...size], 1, "subsampleGradient.C2", "stride and size");
    const expected = [Math.ceil(size[0] / stride[0]), Math.ceil(size[1] / stride[1])];
    const fits = h === expected[0] && w === expected[1];
    check(fits, "subsampleGradient.C3", () => `dy is ${formatShape(dy)}, expected images of ${formatShape(expected)}`);
  },
  macs: () => 0,
  decompose({ dy }, { stride, size }) {
    const [, channels] = rank4(dy.shape, "subsampleGradient.C1");
    const weight = constant("ones", tensorOf("float32", [channels, 1, 1, 1], new Float32Array(channels).fill(1)));
    return conv2dInputGradient({ dy, weight }, { stride, groups: channels, size });
  },
});
