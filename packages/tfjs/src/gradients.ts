import {
  type AnyNode,
  type InputsOf,
  input,
  type Lowering,
  type Node,
  type Pads,
  type Shape,
  type Value,
} from "@residual/core";
import { convolution, subsample } from "./convolution.ts";
import type { Dialect } from "./dialect.ts";
import type { Pair } from "./operators.ts";
import type { Operand, PlainValue, ProgramBuilder } from "./program-builder.ts";

type Sizes = readonly [number, number, number, number];

/** The shape of images; of an open batch only the sizes of an image are read. */
const sizesOf = ({ shape }: { readonly shape: Shape }): Sizes => shape as Sizes;

/** Zeros behind each pixel and row, so that neighbouring pixels of x are `stride` apart. Ends with zeros, too. */
function spread(to: ProgramBuilder, name: string, x: string, [, c, h, w]: Shape, [down, right]: Pair): string {
  if (down === 1 && right === 1) return x;
  const [channels, height, width] = [c, h, w] as [number, number, number];
  const none = [0, 0] as const;
  const paddings = [none, [0, down - 1], none, [0, (right - 1) * channels]] as const;
  return to.chain(`${name}/spread`, x, [
    ["pixels", (from, own) => to.emit("Reshape", own, [from], { shape: [-1, 1, width, channels] })],
    ["zeros", (from, own) => to.emit("PadV2", own, [from], { paddings, value: 0 })],
    ["image", (from, own) => to.emit("Reshape", own, [from], { shape: [-1, height * down, width * right, channels] })],
  ]);
}

/**
 * dx = dy, with zeros between its pixels, convolved by the turned weight. All engines have fast convolutions; tfjs's
 * Conv2DBackpropInput takes 14 times as long on wasm.
 */
function inputGradient(
  to: ProgramBuilder,
  dialect: Dialect,
  node: AnyNode & Node<"conv2dInputGradient">,
  { dy, weight }: InputsOf<"conv2dInputGradient", Operand>,
): string {
  const { stride, padding, dilation, groups } = node.attributes;
  const [outputs, , kh, kw] = sizesOf(node.inputs.weight);
  const [, , oh, ow] = sizesOf(node.inputs.dy);
  const [batch, channels, height, width] = sizesOf(node);
  const reach = [dilation[0] * (kh - 1), dilation[1] * (kw - 1)] as const;
  const before = [reach[0] - padding[0], reach[1] - padding[1]] as const;
  const kernels = input("weight", [channels, outputs / groups, kh, kw]);
  const convolved = (x: Value, from: Operand, shape: Shape, pads: Pads): string => {
    const attributes = { stride: [1, 1], padding: pads, dilation, groups } as const;
    const own = { ...node, shape, attributes, inputs: { x, weight: kernels } };
    return convolution(to, dialect, {
      node: own,
      x: from,
      weight,
      bias: undefined,
      relu: false,
      turned: node.inputs.weight,
    });
  };
  const size = [oh * stride[0], ow * stride[1]] as const;
  const after = [height + reach[0] - size[0] - before[0], width + reach[1] - size[1] - before[1]] as const;
  if (kh * kw === 1) {
    // the zeros between pixels stay zeros
    const small = convolved(node.inputs.dy, dy, [batch, channels, oh, ow], [0, 0, 0, 0]);
    const large = spread(to, node.name, small, [batch, channels, oh, ow], stride);
    return to.fitted(node.name, large, [before[0], before[1], after[0], after[1]], size);
  }
  const large = spread(to, node.name, to.channelsLast(dy), node.inputs.dy.shape, stride);
  const pads = [before[0], before[1], after[0], after[1]] as const;
  const cut = to.fitted(node.name, large, pads.map((pixels) => Math.min(pixels, 0)) as unknown as Pads, size);
  const added = pads.map((pixels) => Math.max(pixels, 0)) as unknown as Pads;
  const [rows, columns] = [height + reach[0] - added[0] - added[2], width + reach[1] - added[1] - added[3]];
  return convolved(input("dy", [batch, outputs, rows, columns]), cut, node.shape, added);
}

/** A convolution whose gradient with respect to its weight is wanted. */
interface WeightGradient {
  readonly node: AnyNode & Node<"conv2dWeightGradient">;
  readonly x: string;
  readonly dy: string;
}

/** [O, I, KH, KW], in the graph's order. */
function weightGradient(to: ProgramBuilder, dialect: Dialect, given: WeightGradient): PlainValue {
  const { node } = given;
  const { stride, padding, dilation, groups } = node.attributes;
  const [, , kh, kw] = sizesOf(node);
  const isPoint = kh * kw === 1 && Math.max(...padding) === 0 && groups === 1;
  const hasOperator = dialect.weightGradients === "operator" && Math.max(...dilation) === 1;
  const named = (name: string): PlainValue => ({ kind: "plain", name, shape: node.shape });
  if (hasOperator) return named(byOperator(to, given));
  if (isPoint) return named(byProduct(to, given, stride));
  return named(byConvolution(to, given));
}

const ranges = (groups: number, width: number) =>
  Array.from({ length: groups }, (_, group) => ({ begin: group * width, size: width }));

/** Each group by TensorFlow's operator, which gives [KH, KW, I, O]. It takes no padding on all engines. */
function byOperator(to: ProgramBuilder, { node, x, dy }: WeightGradient): string {
  const { stride: strides, padding, groups } = node.attributes;
  const [outputs, inputs, kh, kw] = sizesOf(node);
  const { name } = node;
  const image = to.padded(name, x, padding, 0);
  const part = (from: string, own: string, { begin, size }: { begin: number; size: number }) =>
    groups === 1 ? from : to.emit("Slice", own, [from], { begin: [0, 0, 0, begin], size: [-1, -1, -1, size] });
  const ofY = ranges(groups, outputs / groups);
  const kernels = ranges(groups, inputs).map((range, group) => {
    const parts = [part(image, `${name}/x-${group}`, range), part(dy, `${name}/dy-${group}`, ofY[group]!)];
    const kernel = [kh, kw, inputs, outputs / groups] as const;
    return to.emit("Conv2DBackpropFilter", `${name}/group-${group}`, parts, { strides, kernel });
  });
  return to.emit("Transpose", name, [joined(to, name, kernels)], { permutation: [3, 2, 0, 1] });
}

function joined(to: ProgramBuilder, name: string, groups: readonly string[]): string {
  return groups.length === 1 ? groups[0]! : to.emit("ConcatV2", `${name}/groups`, groups, { axis: 3 });
}

/** A 1 × 1 kernel: xᵀ · dy over all pixels. */
function byProduct(to: ProgramBuilder, { node, x, dy }: WeightGradient, stride: Pair): string {
  const { name } = node;
  const [outputs, inputs] = sizesOf(node);
  const isStrided = Math.max(...stride) > 1;
  const pixels = isStrided ? to.chain(`${name}/pixels`, x, subsample(to, node.inputs.x.shape, stride)) : x;
  const rows = to.emit("Reshape", `${name}/rows`, [pixels], { shape: [-1, inputs] });
  const columns = to.emit("Transpose", `${name}/columns`, [rows], { permutation: [1, 0] });
  const slopes = to.emit("Reshape", `${name}/dy`, [dy], { shape: [-1, outputs] });
  const product = to.emit("MatMul", `${name}/product`, [columns, slopes], {});
  const turned = to.emit("Transpose", `${name}/transposed`, [product], { permutation: [1, 0] });
  return to.emit("Reshape", name, [turned], { shape: [outputs, inputs, 1, 1] });
}

/**
 * The convolution of x [I, H, W, N] by dy [OH, OW, N, O], with images in place of channels: strides and dilations
 * change their roles. It has the multiply-adds of the convolution itself.
 */
function byConvolution(to: ProgramBuilder, { node, x, dy }: WeightGradient): string {
  const { name, attributes } = node;
  const { stride, padding, dilation, groups } = attributes;
  const [outputs, inputs, kh, kw] = sizesOf(node);
  const [, channels, height, width] = sizesOf(node.inputs.x);
  const [, , oh, ow] = sizesOf(node.inputs.dy);
  const taken = [stride[0] * (oh - 1) + dilation[0] * (kh - 1) + 1, stride[1] * (ow - 1) + dilation[1] * (kw - 1) + 1];
  const pads: Pads = [padding[0], padding[1], taken[0]! - height - padding[0], taken[1]! - width - padding[1]];
  const image = to.fitted(name, x, pads, [height, width]);
  const byImages = to.chain(`${name}/x`, image, [
    ["rows", (from, own) => to.emit("Reshape", own, [from], { shape: [-1, taken[0]! * taken[1]! * channels] })],
    ["columns", (from, own) => to.emit("Transpose", own, [from], { permutation: [1, 0] })],
    ["pixels", (from, own) => to.emit("Reshape", own, [from], { shape: [taken[0]! * taken[1]!, channels, -1] })],
    ["channels", (from, own) => to.emit("Transpose", own, [from], { permutation: [1, 0, 2] })],
    ["image", (from, own) => to.emit("Reshape", own, [from], { shape: [channels, taken[0]!, taken[1]!, -1] })],
  ]);
  const filter = to.chain(`${name}/dy`, dy, [
    ["pixels", (from, own) => to.emit("Reshape", own, [from], { shape: [-1, oh * ow, outputs] })],
    ["images", (from, own) => to.emit("Transpose", own, [from], { permutation: [1, 0, 2] })],
    ["filter", (from, own) => to.emit("Reshape", own, [from], { shape: [oh, ow, -1, outputs] })],
  ]);
  // tfjs supports strides or dilations, not both: with both, taps are taken out afterwards.
  const isBoth = Math.max(...stride) > 1 && Math.max(...dilation) > 1;
  const settings = { strides: isBoth ? ([1, 1] as const) : dilation, dilations: stride, pads: [0, 0, 0, 0] as Pads };
  const ofY = ranges(groups, outputs / groups);
  const kernels = ranges(groups, inputs).map((range, group) => {
    const { begin, size } = ofY[group]!;
    const own =
      groups === 1
        ? [byImages, filter]
        : [
            to.emit("Slice", `${name}/x-${group}`, [byImages], {
              begin: [range.begin, 0, 0, 0],
              size: [range.size, -1, -1, -1],
            }),
            to.emit("Slice", `${name}/dy-${group}`, [filter], { begin: [0, 0, 0, begin], size: [-1, -1, -1, size] }),
          ];
    return to.emit("Conv2D", `${name}/group-${group}`, own, settings);
  });
  const whole = joined(to, name, kernels);
  const rows = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1] as const;
  const taps = isBoth ? to.chain(`${name}/taps`, whole, subsample(to, [inputs, outputs, ...rows], dilation)) : whole;
  return to.emit("Transpose", name, [taps], { permutation: [3, 0, 1, 2] });
}

/** Each window's dy to its first largest pixel, tap by tap: a pixel wins if it is the maximum and no earlier one is. */
function poolGradientByComparisons(
  to: ProgramBuilder,
  node: AnyNode & Node<"maxPool2dGradient">,
  x: string,
  dy: string,
): string {
  const { name } = node;
  const { window, stride, padding } = node.attributes;
  const [batch, channels, height, width] = sizesOf(node);
  const [, , oh, ow] = sizesOf(node.inputs.dy);
  const [top, left] = padding;
  const padded = to.padded(name, x, padding, -Infinity);
  const largest = to.emit("MaxPool", `${name}/largest`, [padded], { window, strides: stride, pads: [0, 0, 0, 0] });
  const seen = [(oh - 1) * stride[0] + 1, (ow - 1) * stride[1] + 1] as const;
  let open: string | undefined;
  let sum: string | undefined;
  for (let tap = 0; tap < window[0] * window[1]; tap++) {
    const [p, q] = [Math.floor(tap / window[1]), tap % window[1]];
    const own = `${name}/tap-${tap}`;
    const slice = { begin: [0, p, q, 0], size: [-1, seen[0], seen[1], -1] };
    const all = to.emit("Slice", `${own}/slice`, [padded], slice);
    const isStrided = Math.max(...stride) > 1;
    const pixels = isStrided
      ? to.chain(`${own}/pixels`, all, subsample(to, [batch, channels, seen[0], seen[1]], stride))
      : all;
    const difference = to.emit("Sub", `${own}/difference`, [largest, pixels], {});
    const isLess = to.emit("Sign", `${own}/is-less`, [difference], {}); // 0 for the maximum, 1 for others
    const slopes: string = open === undefined ? dy : to.emit("Mul", `${own}/open-dy`, [dy, open], {});
    const lost: string = to.emit("Mul", `${own}/lost`, [slopes, isLess], {});
    const won: string = to.emit("Sub", `${own}/won`, [slopes, lost], {});
    open = open === undefined ? isLess : to.emit("Mul", `${own}/open`, [open, isLess], {});
    const large = spread(to, own, won, [batch, channels, oh, ow], stride);
    const size = [oh * stride[0], ow * stride[1]] as const;
    const pads: Pads = [p - top, q - left, 0, 0];
    const fitted: Pads = [pads[0], pads[1], height - size[0] - pads[0], width - size[1] - pads[1]];
    const placed = to.fitted(own, large, fitted, size);
    sum = sum === undefined ? placed : to.emit("AddV2", `${own}/sum`, [sum, placed], {});
  }
  return sum!;
}

type Rows = Pick<
  Lowering<Operand>,
  | "conv2dInputGradient"
  | "conv2dWeightGradient"
  | "linearInputGradient"
  | "linearWeightGradient"
  | "maxPool2dGradient"
  | "reluGradient"
  | "sliceChannels"
  | "subsampleGradient"
>;

export function gradientRows(to: ProgramBuilder, dialect: Dialect): Rows {
  return {
    conv2dInputGradient: (node, inputs) => inputGradient(to, dialect, node, inputs),
    conv2dWeightGradient: (node, { x, dy }) =>
      weightGradient(to, dialect, { node, x: to.channelsLast(x), dy: to.channelsLast(dy) }),
    linearInputGradient: (node, { dy, weight }) =>
      to.emit("MatMul", node.name, [to.channelsLast(dy), to.channelsLast(weight)], {}),
    linearWeightGradient(node, { x, dy }) {
      const columns = to.emit("Transpose", `${node.name}/dy`, [to.channelsLast(dy)], { permutation: [1, 0] });
      return to.emit("MatMul", node.name, [columns, to.channelsLast(x)], {});
    },
    maxPool2dGradient(node, { x, dy }) {
      const { window, stride: strides, padding: pads } = node.attributes;
      const inputs = [to.channelsLast(x), to.channelsLast(dy)] as const;
      if (dialect.poolGradients === "comparisons") return poolGradientByComparisons(to, node, ...inputs);
      return to.emit("MaxPoolGradient", node.name, inputs, { window, strides, pads });
    },
    reluGradient: (node, { y, dy }) =>
      to.emit("ReluGradient", node.name, [to.channelsLast(y), to.channelsLast(dy)], {}),
    sliceChannels(node, { x }) {
      const [, channels] = sizesOf(node);
      const slice = { begin: [0, 0, 0, node.attributes.before], size: [-1, -1, -1, channels] };
      return to.emit("Slice", node.name, [to.channelsLast(x)], slice);
    },
    subsampleGradient(node, { dy }) {
      const { stride } = node.attributes;
      const [, , oh, ow] = sizesOf(node.inputs.dy);
      const [, , height, width] = sizesOf(node);
      const size = [oh * stride[0], ow * stride[1]] as const;
      const large = spread(to, node.name, to.channelsLast(dy), node.inputs.dy.shape, stride);
      return to.fitted(node.name, large, [0, 0, height - size[0], width - size[1]], size);
    },
  };
}
