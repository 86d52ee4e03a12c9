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
import { addImageRows, multiplyTransposed, transposed } from "./shared/matrix.ts";

export interface Conv2dInputGradientOptions extends Conv2dOptions {
  /** Height and width of the convolution's input x; one number or [height, width]. */
  readonly size: Pair;
}

export type Conv2dInputGradientAttributes = Conv2dAttributes & { readonly size: readonly [number, number] };

/**
 * The gradient of conv2d with respect to x: each pixel of x gets the weight of every tap that reads it, times dy.
 *
 *   dy [N, O, OH, OW], weight [O, C/groups, KH, KW]  ->  [N, C, H, W],   [H, W] = size
 * C1  dy has rank 4.
 * C2  size is whole and at least 1.
 * C3  dy has the shape of conv2d's output for x [N, C, H, W], whose own constraints hold, under its labels.
 * Source: PyTorch torch.nn.grad.conv2d_input; ONNX ConvTranspose, whose output_padding leaves the size open.
 */
export const conv2dInputGradient: Op<
  "conv2dInputGradient",
  "dy" | "weight",
  never,
  Conv2dInputGradientOptions,
  Conv2dInputGradientAttributes
> = defineOp({
  name: "conv2dInputGradient",
  inputs: { dy: "data", weight: "weight" },
  attributeKinds: { ...conv2dAttributeKinds, size: "pair" },
  attributes: ({ size, ...options }: Conv2dInputGradientOptions): Conv2dInputGradientAttributes => ({
    ...conv2dAttributes(options),
    size: pair(size),
  }),
  shape({ dy, weight }, { size, ...attributes }) {
    const [n] = rank4(dy, "conv2dInputGradient.C1");
    checkWhole(size, 1, "conv2dInputGradient.C2", "size");
    const [, perGroup] = rank4(weight, "conv2d.C2");
    const x = [n, perGroup * attributes.groups, ...size];
    const y = conv2dShape({ x, weight }, attributes);
    const expected = () => `dy is ${formatShape(dy)}, expected ${formatShape(y)} for x ${formatShape(x)}`;
    check(dy.join() === y.join(), "conv2dInputGradient.C3", expected);
    return x;
  },
  /** A matrix product per image and group, dyᵀ [OH·OW, O/g] · weight [O/g, K], whose rows are added to the patches. */
  evaluate({ dy, weight }, attributes, shape) {
    const [n, outputs, oh, ow] = dims4(dy.shape);
    const { groups } = attributes;
    const [rows, inner, pixels] = [outputs / groups, weight.data.length / outputs, oh * ow];
    const dx = new Float64Array(sizeOf(shape));
    const patches = new Float64Array(pixels * inner);
    const kernels = Array.from({ length: groups }, (_, group) => transposed(weight.data, group * rows, rows, inner));
    for (let image = 0; image < n; image++) {
      for (const [group, kernel] of kernels.entries()) {
        const gradients = transposed(dy.data, image * outputs + group * rows, rows, pixels);
        multiplyTransposed(patches, gradients, kernel, pixels, inner, rows);
        addImageRows(dx, patches, { shape, weightShape: weight.shape }, attributes, image, group, [oh, ow]);
      }
    }
    return dx;
  },
  /** As many as the convolution itself. */
  macs({ dy, weight }) {
    const [, perGroup, kh, kw] = dims4(weight);
    return perGroup * kh * kw * sizeOf(dims4(dy));
  },
});
