import { checkWhole, defineOp, dims4, type Op, type Pair, pair, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf } from "../ir/tensor.ts";
import { formatShape } from "../ir/value.ts";
import {
  type Conv2dAttributes,
  type Conv2dOptions,
  conv2dAttributeKinds,
  conv2dAttributes,
  conv2dShape,
} from "./shared/convolution.ts";
import { imageRows, multiplyTransposed, transposed } from "./shared/matrix.ts";

export interface Conv2dWeightGradientOptions extends Conv2dOptions {
  /** Height and width of the convolution's kernel; one number or [height, width]. */
  readonly kernel: Pair;
}

export type Conv2dWeightGradientAttributes = Conv2dAttributes & { readonly kernel: readonly [number, number] };

/**
 * The gradient of conv2d with respect to its weight: the correlation of x with dy, summed over images and pixels.
 *
 *   x [N, C, H, W], dy [N, O, OH, OW]  ->  [O, C/groups, KH, KW],   [KH, KW] = kernel
 * C1  x has rank 4.
 * C2  dy has rank 4.
 * C3  kernel is whole and at least 1.
 * C4  groups divides C.
 * C5  dy has the shape of conv2d's output for a weight [O, C/groups, KH, KW], whose own constraints hold, under its
 *     labels.
 * Source: PyTorch torch.nn.grad.conv2d_weight.
 */
export const conv2dWeightGradient: Op<
  "conv2dWeightGradient",
  "x" | "dy",
  never,
  Conv2dWeightGradientOptions,
  Conv2dWeightGradientAttributes
> = defineOp({
  name: "conv2dWeightGradient",
  inputs: { x: "data", dy: "data" },
  attributeKinds: { ...conv2dAttributeKinds, kernel: "pair" },
  attributes: ({ kernel, ...options }: Conv2dWeightGradientOptions): Conv2dWeightGradientAttributes => ({
    ...conv2dAttributes(options),
    kernel: pair(kernel),
  }),
  shape({ x, dy }, { kernel, ...attributes }) {
    const [, c] = rank4(x, "conv2dWeightGradient.C1");
    const [, outputs] = rank4(dy, "conv2dWeightGradient.C2");
    checkWhole(kernel, 1, "conv2dWeightGradient.C3", "kernel");
    const perGroup = c / attributes.groups;
    check(Number.isInteger(perGroup), "conv2dWeightGradient.C4", `${c} channels in ${attributes.groups} groups`);
    const weight = [outputs, perGroup, ...kernel];
    const y = conv2dShape({ x, weight }, attributes);
    const expected = () => `dy is ${formatShape(dy)}, expected ${formatShape(y)} for a weight ${formatShape(weight)}`;
    check(dy.join() === y.join(), "conv2dWeightGradient.C5", expected);
    return weight;
  },
  /** A matrix product per image and group, dy [O/g, OH·OW] · patches [OH·OW, K]; images are added one by one. */
  evaluate({ x, dy }, attributes, shape) {
    const [n, outputs, oh, ow] = dims4(dy.shape);
    const { groups } = attributes;
    const [rows, pixels] = [outputs / groups, oh * ow];
    const inner = sizeOf(shape) / outputs;
    const dw = new Float64Array(sizeOf(shape));
    const patches = new Float64Array(pixels * inner);
    const product = new Float64Array(rows * inner);
    for (let image = 0; image < n; image++) {
      for (let group = 0; group < groups; group++) {
        imageRows(patches, x, shape, attributes, image, group, [oh, ow]);
        const start = (image * outputs + group * rows) * pixels;
        const gradients = dy.data.subarray(start, start + rows * pixels);
        multiplyTransposed(product, gradients, transposed(patches, 0, pixels, inner), rows, inner, pixels);
        for (let i = 0, to = group * product.length; i < product.length; i++, to++) dw[to]! += product[i]!;
      }
    }
    return dw;
  },
  /** As many as the convolution itself. */
  macs({ dy }, _, shape) {
    const [, ...window] = shape;
    return sizeOf(window) * sizeOf(dims4(dy));
  },
});
