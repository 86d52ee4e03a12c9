import { type CompositeOp, checkWhole, defineComposite, type Padding, rank4, sides } from "../ir/define-op.ts";
import { tensorOf } from "../ir/tensor.ts";
import type { Pads } from "../ir/value.ts";
import { conv2d } from "./conv2d.ts";

export interface ZeroPad2dOptions {
  /** Pixels of zeros around the image; one number or [top, left, bottom, right]. */
  readonly padding: Padding;
}

export type ZeroPad2dAttributes = { readonly padding: Pads };

/**
 * Adds pixels of zeros around an image.
 *
 *   x [N, C, H, W]  ->  [N, C, top + H + bottom, left + W + right]
 * C1  x has rank 4.
 * C2  padding is whole and at least 0.
 * Composite: a convolution of each channel with a 1×1 kernel of 1. Its cost is 0 multiply-adds, since runtimes pad
 * without arithmetic. Source: PyTorch ZeroPad2d; Keras' ZeroPadding2D, whose zeros take part in the pooling that
 * follows.
 */
export const zeroPad2d: CompositeOp<"zeroPad2d", "x", never, ZeroPad2dOptions, ZeroPad2dAttributes> = defineComposite({
  name: "zeroPad2d",
  inputs: { x: "data" },
  attributeKinds: { padding: "sides" },
  attributes: ({ padding }: ZeroPad2dOptions): ZeroPad2dAttributes => ({ padding: sides(padding) }),
  check({ x }, { padding }) {
    rank4(x, "zeroPad2d.C1");
    checkWhole(padding, 0, "zeroPad2d.C2", "padding");
  },
  macs: () => 0,
  decompose({ x }, { padding }) {
    const [, channels] = rank4(x.shape, "zeroPad2d.C1");
    const source = tensorOf("float32", [channels, 1, 1, 1], new Float32Array(channels).fill(1));
    const weight = { kind: "constant", name: "ones", shape: source.shape, source } as const;
    return conv2d({ x, weight }, { padding, groups: channels });
  },
});
