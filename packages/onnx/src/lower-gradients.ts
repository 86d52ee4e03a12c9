import type { AnyNode, AttributesOf, Value } from "@residual/core";
import type { ModelBuilder } from "./model-builder.ts";

type GradientNode<Name extends "maxPool2dGradient" | "conv2dInputGradient" | "conv2dWeightGradient"> = AnyNode & {
  readonly attributes: AttributesOf<Name>;
  readonly inputs: { readonly [input: string]: Value };
};

/** The largest float32: its product with any normal positive number but the smallest few is at least 1. */
const LARGEST = 3.4028234663852886e38;

/** dy where y > 0. HardSigmoid is min(max(alpha · y + beta, 0), 1): 1 where y > 0, in one pass over memory. */
export function reluGradient(model: ModelBuilder, node: AnyNode, { y, dy }: { y: string; dy: string }): string {
  const attributes = { alpha: { float: LARGEST }, beta: { float: 0 } };
  const mask = model.step("HardSigmoid", node, "mask", [y], attributes);
  return model.emit("Mul", node, [dy, mask]);
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

/** The transpose of the convolution. */
export function conv2dInputGradient(
  model: ModelBuilder,
  node: GradientNode<"conv2dInputGradient">,
  { dy, weight }: { dy: string; weight: string },
): string {
  const { stride, padding, dilation, groups, size } = node.attributes;
  const [, , ...kernel] = node.inputs.weight!.shape as readonly number[];
  const [, , ...steps] = node.inputs.dy!.shape as readonly number[];
  const rest = [0, 1].map((axis) => {
    const windows = (steps[axis]! - 1) * stride[axis]! + (kernel[axis]! - 1) * dilation[axis]! + 1;
    return size[axis]! + padding[axis]! + padding[axis + 2]! - windows;
  });
  return model.emit("ConvTranspose", node, [dy, weight], {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
    output_padding: { ints: rest },
    group: { int: groups },
  });
}

/**
 * A convolution whose channels are the images: x with its first two axes swapped, dy as the kernel, stride and dilation
 * swapped. Each group of channels is a group.
 */
export function conv2dWeightGradient(
  model: ModelBuilder,
  node: GradientNode<"conv2dWeightGradient">,
  { x, dy }: { x: string; dy: string },
): string {
  const { stride, padding, dilation, groups, kernel } = node.attributes;
  const [n, channels, height, width] = node.inputs.x!.shape as readonly [number, number, number, number];
  const [, outputs, rows, columns] = node.inputs.dy!.shape as readonly [number, number, number, number];
  const perGroup = channels / groups;
  const image = swapped(model, node, "x", x, groups, [n, perGroup, height, width]);
  const window = model.step("Transpose", node, "dy", [dy], { perm: { ints: [1, 0, 2, 3] } });
  const sums = model.step("Conv", node, "sums", [image, window], {
    kernel_shape: { ints: [rows, columns] },
    strides: { ints: dilation },
    pads: { ints: padding },
    dilations: { ints: stride },
    group: { int: groups },
  });
  const whole = (axis: 0 | 1) => {
    const [size, steps] = [[height, width][axis]!, [rows, columns][axis]!];
    const padded = size + padding[axis]! + padding[axis + 2]!;
    return Math.floor((padded - (steps - 1) * stride[axis]! - 1) / dilation[axis]!) + 1;
  };
  const isExact = whole(0) === kernel[0] && whole(1) === kernel[1];
  const cut = Object.entries({ starts: [0, 0], ends: kernel, axes: [2, 3] });
  const taps = isExact
    ? sums
    : model.step("Slice", node, "taps", [sums, ...cut.map(([key, list]) => model.whole(node, key, list))]);
  return model.emit("Transpose", node, [taps], { perm: { ints: [1, 0, 2, 3] } });
}

/** [N, groups · C, H, W] as [C, groups · N, H, W]. */
function swapped(
  model: ModelBuilder,
  node: AnyNode,
  purpose: string,
  value: string,
  groups: number,
  [n, c, h, w]: readonly [number, number, number, number],
): string {
  if (groups === 1) return model.step("Transpose", node, purpose, [value], { perm: { ints: [1, 0, 2, 3] } });
  const reshape = (name: string, from: string, shape: readonly number[]) =>
    model.step("Reshape", node, name, [from, model.whole(node, `${name}/shape`, shape)]);
  const split = reshape(`${purpose}/groups`, value, [n, groups, c, h, w]);
  const turned = model.step("Transpose", node, `${purpose}/swapped`, [split], { perm: { ints: [2, 1, 0, 3, 4] } });
  return reshape(purpose, turned, [c, groups * n, h, w]);
}
