import { defineOp, dims4, type InputRecord, type Op, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf, type Tensor } from "../ir/tensor.ts";
import { formatShape } from "../ir/value.ts";
import { channelSum } from "./channel-sum.ts";
import { conv2dInputGradient } from "./conv2d-input-gradient.ts";
import { conv2dWeightGradient } from "./conv2d-weight-gradient.ts";
import {
  type Conv2dAttributes,
  type Conv2dOptions,
  conv2dAttributeKinds,
  conv2dAttributes,
  conv2dShape,
} from "./shared/convolution.ts";
import { imageRows, multiplyTransposed } from "./shared/matrix.ts";

/**
 * Cross-correlation of images with a bank of kernels.
 *
 *   x [N, C, H, W], weight [O, C/groups, KH, KW], bias [O]  ->  [N, O, OH, OW],
 *   OH = ⌊(H + top + bottom − dilation·(KH − 1) − 1) / stride⌋ + 1,  OW likewise
 * C1  x has rank 4.
 * C2  weight has rank 4.
 * C3  stride, dilation and groups are whole and at least 1, padding whole and at least 0.
 * C4  x has `groups` times the channels of weight.
 * C5  groups divides O.
 * C6  bias, if given, has shape [O].
 * C7  the kernel fits into the padded image at least once.
 * Padding reads as 0. Source: PyTorch Conv2d, ONNX Conv.
 */
export const conv2d: Op<"conv2d", "x" | "weight", "bias", Conv2dOptions, Conv2dAttributes> = defineOp({
  name: "conv2d",
  inputs: { x: "data", weight: "weight" },
  optional: { bias: "bias" },
  attributeKinds: conv2dAttributeKinds,
  attributes: conv2dAttributes,
  shape({ x, weight, bias }, attributes) {
    const shape = conv2dShape({ x, weight }, attributes);
    const fits = bias === undefined || (bias.length === 1 && bias[0] === shape[1]);
    check(fits, "conv2d.C6", () => `bias is ${bias && formatShape(bias)}, expected ${shape[1]}`);
    return shape;
  },
  evaluate: convolve,
  /** One multiply-add for each weight of a channel, at each pixel. */
  macs({ weight }, _, shape) {
    const [, perGroup, kh, kw] = dims4(weight);
    return perGroup * kh * kw * sizeOf(shape);
  },
  gradient({ inputs: { x, weight, bias }, attributes }, dy) {
    const [, , ...size] = rank4(x.shape, "conv2d.C1");
    const [, , ...kernel] = rank4(weight.shape, "conv2d.C2");
    return {
      x: conv2dInputGradient({ dy, weight }, { ...attributes, size }),
      weight: conv2dWeightGradient({ x, dy }, { ...attributes, kernel }),
      bias: bias && channelSum({ x: dy }),
    };
  },
});

/** A convolution as one matrix product per image and group: weight [O/g, K] with the image's patches [OH·OW, K]. */
function convolve(
  { x, weight, bias }: InputRecord<"x" | "weight", "bias", Tensor<"float64">>,
  attributes: Conv2dAttributes,
  shape: readonly number[],
): Float64Array {
  const [n, outputs, oh, ow] = dims4(shape);
  const { groups } = attributes;
  const [rows, inner, pixels] = [outputs / groups, weight.data.length / outputs, oh * ow];
  const y = new Float64Array(n * outputs * pixels);
  const patches = new Float64Array(pixels * inner);
  for (let image = 0; image < n; image++) {
    for (let group = 0; group < groups; group++) {
      imageRows(patches, x, weight.shape, attributes, image, group, [oh, ow]);
      const kernels = weight.data.subarray(group * rows * inner, (group + 1) * rows * inner);
      const start = (image * outputs + group * rows) * pixels;
      multiplyTransposed(y.subarray(start, start + rows * pixels), kernels, patches, rows, pixels, inner);
    }
  }
  if (bias) addChannels(y, bias.data, pixels);
  return y;
}

function addChannels(y: Float64Array, bias: Float64Array, pixels: number): void {
  for (let plane = 0, i = 0; i < y.length; plane++) {
    const shift = bias[plane % bias.length]!;
    for (const end = i + pixels; i < end; i++) y[i]! += shift;
  }
}
