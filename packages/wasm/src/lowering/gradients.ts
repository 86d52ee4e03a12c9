import type { AnyNode, InputsOf, Lowering, Node, Pads } from "@residual/core";
import { imagesOfShape, type Operand, sizesOf } from "../builder.ts";
import { plainInputGradient } from "../convolution/gradient/plain.ts";
import { turned } from "../convolution/gradient/turned.ts";
import { weightGradient } from "../convolution/gradient/weight.ts";
import type { ConvolutionLayer } from "../convolution/layer.ts";
import { choose } from "../convolution/strategies.ts";
import { sliceChannels } from "../kernels/convert.ts";
import { averagePool2dGradient, maxPool2dGradient, subsampleGradient } from "../kernels/gradients.ts";
import { inOrder, layoutOf, widest } from "../layout.ts";
import type { Context } from "./context.ts";
import { convolve } from "./convolution.ts";

type InputGradient = AnyNode & Node<"conv2dInputGradient">;

/** The convolution whose gradient a node is, from the shapes of its x, weight and y. */
function convolutionOf(
  x: readonly number[],
  weight: readonly number[],
  y: readonly number[],
  attributes: Omit<ConvolutionLayer["attributes"], "relu">,
): ConvolutionLayer {
  const [, , kh, kw] = weight;
  const layer = { x: layoutOf(x), y: layoutOf(y), hasBias: false, kernel: [kh!, kw!] } as const;
  return { ...layer, attributes: { ...attributes, relu: false } };
}

/** A convolution of dy by the turned weight that gives dx, and the size of dy with zeros between its pixels. */
export interface TransposedLayer {
  readonly layer: ConvolutionLayer;
  /** The stride of the pixels of dy, if there are zeros between them. */
  readonly stride: readonly [number, number];
}

/** Undefined if the padding is larger than the kernel reaches, so that dx has pixels that no tap reads. */
export function transposedLayer({
  inputs: { dy, weight },
  attributes,
  shape,
}: InputGradient): TransposedLayer | undefined {
  const [, , kh, kw] = sizesOf(weight.shape);
  const { stride, padding, dilation, groups } = attributes;
  const given = layoutOf(sizesOf(dy.shape));
  const spread = { ...given, height: (given.height - 1) * stride[0] + 1, width: (given.width - 1) * stride[1] + 1 };
  const dx = layoutOf(sizesOf(shape));
  const [down, right] = [dilation[0] * (kh! - 1), dilation[1] * (kw! - 1)];
  const [top, left] = [down - padding[0], right - padding[1]];
  const pads: Pads = [top, left, dx.height + down - spread.height - top, dx.width + right - spread.width - left];
  if (pads.some((pixels) => pixels < 0)) return undefined;
  const images = imagesOfShape(shape);
  const layer: ConvolutionLayer = {
    x: spread,
    y: dx,
    ...(images !== "N" && { images }),
    hasBias: false,
    kernel: [kh!, kw!],
    attributes: { stride: [1, 1], padding: pads, dilation, groups, relu: false },
  };
  return { layer, stride };
}

function inputGradient(
  context: Context,
  node: InputGradient,
  { dy, weight }: InputsOf<"conv2dInputGradient", Operand>,
): Operand {
  const { builder } = context;
  const { attributes } = node;
  const [outputs, inputs, kh, kw] = sizesOf(weight.shape) as [number, number, number, number];
  const transposed = transposedLayer(node);
  if (!transposed) {
    const layer = convolutionOf(sizesOf(node.shape), sizesOf(weight.shape), sizesOf(dy.shape), attributes);
    const [x, y] = [context.layoutOf(node), context.quads(dy)];
    const reads = [builder.in(dy, y), builder.inHostOrder(weight)];
    return builder.emit(node.name, node.shape, x, plainInputGradient({ ...layer, x, y }), reads);
  }
  const { layer, stride } = transposed;
  const shape = [inputs * attributes.groups, outputs / attributes.groups, kh, kw];
  const kernel = turned({ outputs, inputs, taps: kh * kw, groups: attributes.groups });
  const weights = builder.emitHost("turn", shape, kernel, [builder.inHostOrder(weight)], 1);
  const strategy = choose(layer, context.choice);
  const x = stride.every((step) => step === 1)
    ? dy
    : spread(context, node, dy, { ...transposed, border: strategy.wants.border });
  const placed = { ...layer, y: context.layoutOf(node) };
  return convolve(context, strategy, node, placed, { x, weight: weights });
}

/** dy with zeros between its pixels. */
function spread(
  context: Context,
  node: AnyNode,
  dy: Operand,
  { layer: { x }, stride, border }: TransposedLayer & { readonly border: Pads },
): Operand {
  const { builder } = context;
  const shape = [dy.shape[0]!, x.channels, x.height, x.width];
  const layout = { ...x, border };
  const own = context.quads(dy);
  return builder.emit(node.name, shape, layout, subsampleGradient(own, layout, stride), [builder.in(dy, own)]);
}

function ofWeight(
  context: Context,
  node: AnyNode & Node<"conv2dWeightGradient">,
  { x, dy }: InputsOf<"conv2dWeightGradient", Operand>,
): Operand {
  const { builder } = context;
  const { attributes } = node;
  const layer = convolutionOf(sizesOf(x.shape), sizesOf(node.shape), sizesOf(dy.shape), attributes);
  const isRgb = x.layout.order !== "quads" && attributes.groups === 1 && layer.x.channels % 4 !== 0;
  const given = isRgb ? inOrder(layer.x, "pixels") : context.quads(x);
  const images = x.images === "N" ? {} : { images: x.images };
  const placed: ConvolutionLayer = {
    ...layer,
    ...images,
    x: { ...given, border: widest(given.border, attributes.padding) },
    y: context.quads(dy),
  };
  const reads = [builder.in(x, placed.x), builder.in(dy, placed.y)];
  const kernel = weightGradient(placed, context.choice.instructions);
  return builder.emitHost(node.name, node.shape, kernel, reads, x.images);
}

type Rows = Pick<
  Lowering<Operand>,
  | "conv2dInputGradient"
  | "conv2dWeightGradient"
  | "maxPool2dGradient"
  | "averagePool2dGradient"
  | "subsampleGradient"
  | "sliceChannels"
>;

/** The rows of ops that only gradients consist of. */
export function gradientRows(context: Context): Rows {
  return {
    conv2dInputGradient: (node, inputs) => inputGradient(context, node, inputs),
    conv2dWeightGradient: (node, inputs) => ofWeight(context, node, inputs),
    maxPool2dGradient(node, { x, dy }) {
      const { window, stride, padding } = node.attributes;
      const windows = { window, stride, before: [padding[0], padding[1]] } as const;
      return context.emit(node, [x, dy], ([from, slope], y) => maxPool2dGradient(from!, slope!, y, windows));
    },
    averagePool2dGradient(node, { dy }) {
      const { window, stride } = node.attributes;
      const windows = { window, stride, before: [0, 0] } as const;
      return context.emit(node, [dy], ([slope], y) => averagePool2dGradient(slope!, y, windows));
    },
    subsampleGradient: (node, { dy }) =>
      context.emit(node, [dy], ([slope], y) => subsampleGradient(slope!, y, node.attributes.stride)),
    sliceChannels: (node, { x }) =>
      context.emit(node, [x], ([from], y) => sliceChannels(from!, y, node.attributes.before)),
  };
}
