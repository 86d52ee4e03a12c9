import { type AttributesOf, ops } from "@residual/core";

type Shapes = { readonly x: readonly number[]; readonly weight: readonly number[] };

/** The shape of a convolution's output. */
export function outputOf(shapes: Shapes, attributes: AttributesOf<"conv2d">): readonly number[] {
  return ops.conv2d.shape(shapes, attributes) as readonly number[];
}
