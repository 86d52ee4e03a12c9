import type { AnyNode, AttributesOf, InputsOf, Value } from "@residual/core";
import { imagesOfShape, type Operand, sizesOf } from "../builder.ts";
import type { ConvolutionLayer } from "../convolution/layer.ts";
import type { Strategy } from "../convolution/strategy.ts";
import { inOrder, layoutOf, widest } from "../layout.ts";
import type { Context } from "./context.ts";

type Convolution = AnyNode & {
  readonly inputs: InputsOf<"fusedConv2d", Value>;
  readonly attributes: AttributesOf<"conv2d"> & { readonly relu?: boolean };
};

/** A layer before the layouts of its values are known. */
export function layerOf(node: Convolution): ConvolutionLayer {
  const { x, weight, bias, residual } = node.inputs;
  const [, , kh, kw] = sizesOf(weight.shape);
  const images = imagesOfShape(node.shape);
  return {
    x: layoutOf(sizesOf(x.shape)),
    y: layoutOf(sizesOf(node.shape)),
    ...(residual && { residual: layoutOf(sizesOf(residual.shape)) }),
    ...(images !== "N" && { images }),
    hasBias: bias !== undefined,
    kernel: [kh!, kw!],
    attributes: { relu: false, ...node.attributes },
  };
}

/** A node computed as a convolution by a strategy. */
export function convolve(
  context: Context,
  strategy: Strategy,
  node: AnyNode,
  planned: ConvolutionLayer,
  { x, weight, bias, residual }: InputsOf<"fusedConv2d", Operand>,
): Operand {
  const { builder } = context;
  const { order, border } = strategy.wants;
  const given = order === "quads" ? context.quads(x) : inOrder(x.layout, order);
  const layer: ConvolutionLayer = {
    ...planned,
    x: { ...given, border: widest(given.border, border) },
    ...(residual && { residual: context.quads(residual) }),
  };
  const reads = [
    builder.in(x, layer.x),
    builder.packed(weight, strategy.packing),
    ...(bias ? [builder.in(bias, layoutOf(sizesOf(bias.shape)))] : []),
    ...(residual ? [builder.in(residual, context.quads(residual))] : []),
  ];
  return builder.emit(node.name, node.shape, layer.y, strategy.emit(layer), reads);
}
