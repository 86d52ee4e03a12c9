import {
  checkWhole,
  defineOp,
  dims4,
  type InputRecord,
  type Op,
  type Padding,
  type Pair,
  pair,
  rank4,
  sides,
  windowSteps,
} from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { sizeOf, type Tensor } from "../ir/tensor.ts";
import { formatShape, type Pads } from "../ir/value.ts";
import { imageRows, multiplyTransposed } from "./matrix.ts";

export interface Conv2dOptions {
  /** Step, in input pixels; one number or [down, right]. */
  readonly stride?: Pair;
  /** Zeros around the input, in pixels; one number or [top, left, bottom, right]. */
  readonly padding?: Padding;
  /** Distance between the taps of the kernel, in input pixels; 1 is a dense kernel. */
  readonly dilation?: Pair;
  /** Number of groups of channels; each group is convolved separately. */
  readonly groups?: number;
}

/** Conv2dOptions in canonical form. */
export type Conv2dAttributes = {
  readonly stride: readonly [number, number];
  readonly padding: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
};

function conv2dAttributes({ stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions): Conv2dAttributes {
  return { stride: pair(stride), padding: sides(padding), dilation: pair(dilation), groups };
}

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
  attributeKinds: { stride: "pair", padding: "sides", dilation: "pair", groups: "number" },
  attributes: conv2dAttributes,
  shape({ x, weight, bias }, attributes) {
    const { stride, padding, dilation, groups } = attributes;
    const [n, c, h, w] = rank4(x, "conv2d.C1");
    const [outputs, perGroup, kh, kw] = rank4(weight, "conv2d.C2");
    check(typeof outputs === "number", "conv2d.C2", () => `weight ${formatShape(weight)} has an open batch`);
    checkWhole([groups, ...stride, ...dilation], 1, "conv2d.C3", "groups, stride and dilation");
    checkWhole(padding, 0, "conv2d.C3", "padding");
    check(
      perGroup * groups === c,
      "conv2d.C4",
      () => `weight ${formatShape(weight)} in ${groups} groups expects ${perGroup * groups} channels, x has ${c}`,
    );
    check(outputs % groups === 0, "conv2d.C5", () => `${outputs} output channels do not divide into ${groups} groups`);
    const fits = bias === undefined || (bias.length === 1 && bias[0] === outputs);
    check(fits, "conv2d.C6", () => `bias is ${bias && formatShape(bias)}, expected ${outputs}`);
    const [top, left, bottom, right] = padding;
    const oh = windowSteps(h, top, bottom, dilation[0] * (kh - 1) + 1, stride[0]);
    const ow = windowSteps(w, left, right, dilation[1] * (kw - 1) + 1, stride[1]);
    check(
      oh > 0 && ow > 0,
      "conv2d.C7",
      () => `kernel ${kh}×${kw}, dilation ${dilation}, is larger than the padded x ${formatShape(x)}`,
    );
    return [n, outputs, oh, ow];
  },
  evaluate: convolve,
  /** One multiply-add for each weight of a channel, at each pixel. */
  macs({ weight }, _, shape) {
    const [, perGroup, kh, kw] = dims4(weight);
    return perGroup * kh * kw * sizeOf(shape);
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
