import type { AnyNode, AttributesOf, Shape } from "@residual/core";
import type { ModelBuilder, OnnxAttributes, Step } from "./model-builder.ts";

/** What a convolution computes. A node conv2d or fusedConv2d is one; a gradient's lowering makes another. */
export interface Convolution {
  readonly attributes: AttributesOf<"conv2d">;
  readonly inputs: { readonly x: { readonly shape: Shape }; readonly weight: { readonly shape: Shape } };
}

/** Names of values. */
interface Names {
  readonly x: string;
  readonly weight: string;
  readonly bias?: string;
}

type Padding = AttributesOf<"conv2d">["padding"];

/** The operators of a convolution for `node`: one, plus those around it that avoid errors of onnxruntime's WebGPU. */
export function convolution(model: ModelBuilder, node: AnyNode, of: Convolution, names: Names): Step[] {
  const { padding, groups } = of.attributes;
  const { x, weight, bias } = names;
  if (model.dialect === "standard") return [["Conv", [x, weight, bias], attributesOf(of, padding, groups)]];
  if (isGroupedAcross(of)) return withOneMoreGroup(model, node, of, names);
  const ahead = isEndPaddingLost(of);
  const channels = missingChannels(of);
  const [top, left, bottom, right] = ahead ? padding : [0, 0, 0, 0];
  const image = padded(model, node, "x", x, [0, 0, top, left, 0, channels, bottom, right]);
  const kernel = padded(model, node, "weight", weight, [0, 0, 0, 0, 0, channels, 0, 0]);
  return [["Conv", [image, kernel, bias], attributesOf(of, ahead ? [0, 0, 0, 0] : padding, groups)]];
}

function attributesOf({ attributes, inputs }: Convolution, padding: Padding, groups: number): OnnxAttributes {
  const { stride, dilation } = attributes;
  return {
    kernel_shape: { ints: inputs.weight.shape.slice(2) as number[] },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
    group: { int: groups },
  };
}

/**
 * In onnxruntime 1.30 a kernel of 1×1, or of the image's size, becomes a matrix product, which ignores padding at the
 * bottom and right (webgpu/nn/conv.cc: `same_size || (kernel_height == 1 && …)` checks only pads[0] and pads[1]). A
 * separate operator pads then.
 */
function isEndPaddingLost({ attributes: { padding, groups }, inputs: { x, weight } }: Convolution): boolean {
  const [top, left, bottom, right] = padding;
  const [, , height, width] = weight.shape;
  const isProduct = (height === 1 && width === 1) || (height === x.shape[2] && width === x.shape[3]);
  return groups === 1 && isProduct && top === 0 && left === 0 && bottom + right > 0;
}

/**
 * The number of zero channels to append to the input. For 4n output channels onnxruntime 1.30 reads input channels in
 * threes if their number is a multiple of 3 and not of 4, and takes wrong ones from the fourth on
 * (webgpu/nn/conv2d_mm.cc: `xCh / 4` where inner_element_size is 3). With the zeros the number is a multiple of 4.
 */
function missingChannels({ attributes: { groups }, inputs: { weight } }: Convolution): number {
  const [outputs, channels] = weight.shape as readonly number[];
  const isMisread = groups === 1 && channels! > 3 && channels! % 3 === 0 && channels! % 4 !== 0 && outputs! % 4 === 0;
  return isMisread ? 4 - (channels! % 4) : 0;
}

/**
 * onnxruntime 1.30 computes 4 or 2 output channels at a time if that divides the number of all output channels,
 * ignoring group borders, for groups of at least four (webgpu/nn/conv.cc: `GetMaxComponents(output_channels)`). Results
 * are right if that divisor also divides a group's channels, as it does if the number of groups is odd.
 */
function isGroupedAcross({ attributes: { groups }, inputs: { weight } }: Convolution): boolean {
  const perGroup = (weight.shape[0] as number) / groups;
  return groups % 2 === 0 && perGroup > 4 && perGroup % 4 !== 0;
}

/** An extra group of zeros makes the number of groups odd; its outputs are cut off. */
function withOneMoreGroup(model: ModelBuilder, node: AnyNode, of: Convolution, { x, weight, bias }: Names): Step[] {
  const { padding, groups } = of.attributes;
  const [outputs, channels] = of.inputs.weight.shape as readonly [number, number, number, number];
  const more = outputs / groups;
  const inputs = [
    padded(model, node, "x", x, [0, 0, 0, 0, 0, channels, 0, 0]),
    padded(model, node, "weight", weight, [0, 0, 0, 0, more, 0, 0, 0]),
    bias && padded(model, node, "bias", bias, [0, more]),
  ];
  const range = Object.entries({ starts: [0], ends: [outputs], axes: [1] });
  const cut = range.map(([key, list]) => model.whole(node, key, list));
  return [
    ["Conv", inputs, attributesOf(of, padding, groups + 1)],
    ["Slice", cut],
  ];
}

/** Zeros around a value, if the padding is not 0. */
function padded(model: ModelBuilder, node: AnyNode, what: string, value: string, pads: readonly number[]): string {
  if (pads.every((each) => each === 0)) return value;
  const around = model.whole(node, `${what}/pads`, pads);
  return model.step("Pad", node, what, [value, around]);
}
