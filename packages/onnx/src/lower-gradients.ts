import type { AnyNode, AttributesOf, Value } from "@residual/core";
import type { ModelBuilder } from "./model-builder.ts";
import { NodeBuilder } from "./node-builder.ts";

type GradientNode<Name extends "maxPool2dGradient" | "conv2dInputGradient"> = AnyNode & {
  readonly attributes: AttributesOf<Name>;
  readonly inputs: { readonly [input: string]: Value };
};

/** The largest float32: its product with any normal positive number but the smallest few is at least 1. */
const LARGEST = 3.4028234663852886e38;

/** 1 where y > 0, else 0. HardSigmoid is min(max(alpha · y + beta, 0), 1), in one pass over memory. */
export function reluMask(at: NodeBuilder, y: string): string {
  return at.step("HardSigmoid", "mask", [y], { alpha: { float: LARGEST }, beta: { float: 0 } });
}

/** MaxPool says which pixel won each window; dy is added there. */
export function maxPool2dGradient(
  model: ModelBuilder,
  node: GradientNode<"maxPool2dGradient">,
  { x, dy }: { x: string; dy: string },
): string {
  const { window, stride, padding } = node.attributes;
  const attributes = { kernel_shape: { ints: window }, strides: { ints: stride }, pads: { ints: padding } };
  const [, winners] = model.steps("MaxPool", node, ["max", "winners"], [x], attributes);
  // Where a window has no number above the least finite one, onnxruntime gives a place before the window's image.
  const valid = model.step("Max", node, "valid", [winners!, model.whole(node, "first", [0])]);
  const all = model.whole(node, "all", [-1]);
  const shape = model.step("Shape", node, "shape", [x]);
  const zeros = model.step("ConstantOfShape", node, "zeros", [shape]);
  const flat = (purpose: string, value: string) => model.step("Reshape", node, `${purpose}/flat`, [value, all]);
  const places = flat("valid", valid);
  const sums = model.step("ScatterElements", node, "sums", [flat("zeros", zeros), places, flat("dy", dy)], {
    axis: { int: 0 },
    reduction: { text: "add" },
  });
  return model.emit("Reshape", node, [sums, shape]);
}

/**
 * The transpose of the convolution. With stride 1 that is a convolution by the weights with taps in reverse order,
 * which onnxruntime computes faster: its ConvTranspose writes all products before it adds them up.
 */
export function conv2dInputGradient(
  model: ModelBuilder,
  node: GradientNode<"conv2dInputGradient">,
  { dy, weight }: { dy: string; weight: string },
): string {
  const { stride, padding, dilation, groups, size } = node.attributes;
  const [outputs, perGroup, ...kernel] = node.inputs.weight!.shape as readonly [number, number, number, number];
  const [rows, columns] = [(kernel[0] - 1) * dilation[0], (kernel[1] - 1) * dilation[1]];
  const [top, left, bottom, right] = padding;
  const pads = [rows - top, columns - left, rows - bottom, columns - right] as const;
  const at = new NodeBuilder(model, node);
  if (stride.every((step) => step === 1) && pads.every((each) => each >= 0)) {
    const shape = [groups * perGroup, outputs / groups, ...kernel];
    return at.convolve(
      { attributes: { stride, padding: pads, dilation, groups }, inputs: { x: node.inputs.dy!, weight: { shape } } },
      { x: dy, weight: turned(at, weight, [groups, outputs / groups, perGroup, ...kernel]) },
    );
  }
  const [, , ...steps] = node.inputs.dy!.shape as readonly number[];
  const rest = [0, 1].map((axis) => {
    const windows = (steps[axis]! - 1) * stride[axis]! + (kernel[axis]! - 1) * dilation[axis]! + 1;
    return size[axis]! + padding[axis]! + padding[axis + 2]! - windows;
  });
  const attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
    output_padding: { ints: rest },
    group: { int: groups },
  };
  if (model.dialect === "standard" || groups === 1 || perGroup > 1 || outputs === groups)
    return model.emit("ConvTranspose", node, [dy, weight], attributes);
  // For one output channel of a group onnxruntime 1.30 reads weights as vectors, and finds wrong ones beyond the first
  // group (webgpu/nn/conv_backprop.cc: b_components). So each group gets a second channel, of zeros.
  const more = at.step("Pad", "weight", [weight, at.whole("weight/pads", [0, 0, 0, 0, 0, 1, 0, 0])]);
  const both = at.step("ConvTranspose", "both", [dy, more], attributes);
  const range = { starts: [0], ends: [2 * groups], axes: [1], steps: [2] };
  return at.emit("Slice", [both, ...Object.entries(range).map(([key, list]) => at.whole(key, list))]);
}

/**
 * The weights [G·O, C, KH, KW] of a convolution as those of its transpose, [G·C, O, KH, KW] with taps in reverse order.
 */
function turned(
  at: NodeBuilder,
  weight: string,
  [groups, outputs, channels, kh, kw]: readonly [number, number, number, number, number],
): string {
  const split = groups === 1 ? weight : at.reshape("weight/groups", weight, [groups, outputs, channels, kh, kw]);
  const swapped = at.transpose("weight/swapped", split, groups === 1 ? [1, 0, 2, 3] : [0, 2, 1, 3, 4]);
  const whole = groups === 1 ? swapped : at.reshape("weight/whole", swapped, [groups * channels, outputs, kh, kw]);
  if (kh === 1 && kw === 1) return whole;
  const least = -(2 ** 31);
  return at.slice("weight", whole, { axes: [2, 3], starts: [-1, -1], ends: [least, least], steps: [-1, -1] });
}
