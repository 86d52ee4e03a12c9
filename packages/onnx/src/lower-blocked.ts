import { type AnyNode, type AttributesOf, is, type Lowering, mapValues } from "@residual/core";
import { BLOCKED_DOMAIN, type BlockedLayout } from "./blocked-layout.ts";
import type { NormOp } from "./lower-batch-norm.ts";
import { reluMask } from "./lower-gradients.ts";
import { weightGradient } from "./lower-weight-gradient.ts";
import type { ModelBuilder, OnnxAttributes } from "./model-builder.ts";
import { NodeBuilder } from "./node-builder.ts";

type Shape = readonly [number, number, number, number];
type Row = (node: AnyNode, names: { readonly [input: string]: string }) => string;

/** The plain rows. Of the composite ops, they have those that the rows of blocks fall back to. */
export type PlainRows = Lowering<string> & Required<Pick<Lowering<string>, NormOp | "channelSum">>;

/**
 * Rows that keep images in onnxruntime's blocked layout, whose convolutions take 55 to 70 % of the plain ones' time for
 * 3×3 kernels. For constant weights onnxruntime uses it by itself; in training weights change, and each run puts them
 * into blocks. An op without a row here is lowered by its plain row, and so are images that do not fit.
 */
export function blockedLowering(model: ModelBuilder, layout: BlockedLayout, rows: PlainRows): Lowering<string> {
  const plain = outOfBlocks(layout, rows);
  return {
    ...plain,
    ...elementwiseRows(model, layout, plain),
    ...convolutionRows(model, layout, plain),
    ...normRows(model, layout, plain),
  };
}

/** The same rows, which take their inputs out of blocks. The compiler cannot see that a row gets its own node. */
function outOfBlocks(layout: BlockedLayout, rows: PlainRows): PlainRows {
  const inPlain = (row: Row): Row => {
    return (node, names) =>
      row(
        node,
        mapValues(names, (name) => layout.plain(name)),
      );
  };
  return mapValues(rows as unknown as { readonly [op: string]: Row }, inPlain) as unknown as PlainRows;
}

/** Operators on elements: in blocks if one of their inputs is. */
function elementwiseRows(
  model: ModelBuilder,
  layout: BlockedLayout,
  plain: PlainRows,
): Pick<Lowering<string>, "add" | "padChannels" | "relu" | "reluGradient" | "subsample"> {
  const inBlocks = (node: AnyNode, names: { readonly [input: string]: string }) =>
    layout.fits(node.shape) && Object.values(names).some((name) => layout.isNative(name))
      ? mapValues(names, (name) => layout.blocked(name, node))
      : undefined;
  const emit = (node: AnyNode, operator: string, inputs: readonly string[]) =>
    layout.declare(node, (output) => model.add(operator, output, inputs));
  return {
    add(node, names) {
      const inputs = inBlocks(node, { ...names });
      return inputs ? emit(node, "Add", [inputs.a!, inputs.b!]) : plain.add(node, names);
    },
    padChannels(node, { x }) {
      const { block } = layout;
      const ends = [node.attributes.before / block, node.attributes.after / block];
      if (!layout.isNative(x) || !ends.every(Number.isInteger)) return plain.padChannels(node, { x });
      const at = new NodeBuilder(model, node);
      const [n, channels, ...image] = node.inputs.x.shape as Shape;
      const blocks = at.reshape("blocks of x", layout.blocked(x, node), [n, channels / block, ...image, block]);
      const padded = at.step("Pad", "padded", [blocks, at.whole("pads", [0, ends[0]!, 0, 0, 0, 0, ends[1]!, 0, 0, 0])]);
      return emit(node, "Reshape", [padded, at.whole("shape", node.shape as readonly number[])]);
    },
    relu(node, names) {
      const inputs = inBlocks(node, { ...names });
      return inputs ? emit(node, "Relu", [inputs.x!]) : plain.relu(node, names);
    },
    reluGradient(node, names) {
      const inputs = inBlocks(node, { ...names });
      if (!inputs) return plain.reluGradient(node, names);
      return emit(node, "Mul", [inputs.dy!, reluMask(new NodeBuilder(model, node), inputs.y!)]);
    },
    /** A convolution of each channel by a single 1. */
    subsample(node, { x }) {
      if (!layout.isNative(x)) return plain.subsample(node, { x });
      const at = new NodeBuilder(model, node);
      const channels = node.shape[1] as number;
      const one = at.reshape("one", model.fill(channels, 1), [channels, 1, 1, 1]);
      const strides = { ints: node.attributes.stride };
      const attributes = { kernel_shape: { ints: [1, 1] }, strides, group: { int: channels } };
      const inputs = [layout.blocked(x, node), one];
      return layout.declare(node, (output) => model.add("Conv", output, inputs, attributes, BLOCKED_DOMAIN));
    },
  };
}

function convolutionRows(
  model: ModelBuilder,
  layout: BlockedLayout,
  plain: PlainRows,
): Pick<Lowering<string>, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient"> {
  const convolve = (node: AnyNode, inputs: readonly string[], attributes: OnnxAttributes) =>
    layout.declare(node, (output) => model.add("Conv", output, inputs, attributes, BLOCKED_DOMAIN));
  return {
    conv2d(node, names) {
      const { x, weight } = node.inputs;
      const [outputs, channels, ...kernel] = weight.shape as Shape;
      // The convolution takes the few channels of a picture in the plain layout.
      const isStem = channels < layout.block && x.shape[0] !== "N";
      const fits = node.attributes.groups === 1 && outputs % layout.block === 0 && (isStem || layout.fits(x.shape));
      if (!fits) return plain.conv2d(node, names);
      const at = new NodeBuilder(model, node);
      const image = isStem ? layout.plain(names.x) : layout.blocked(names.x, node);
      const own = weightInBlocks(at, names.weight, weight.shape as Shape, layout.block);
      const inputs = [image, own, ...(names.bias === undefined ? [] : [names.bias])];
      return convolve(node, inputs, convolution(node.attributes, kernel));
    },
    conv2dInputGradient(node, names) {
      const { stride, dilation, groups, padding } = node.attributes;
      const weight = node.inputs.weight.shape as Shape;
      const [, , ...kernel] = weight;
      const pads = padding.map((each, side) => (kernel[side % 2]! - 1) * dilation[side % 2]! - each);
      const isConvolution = groups === 1 && stride.every((step) => step === 1) && pads.every((each) => each >= 0);
      const fits = isConvolution && layout.fits(node.shape) && layout.fits(node.inputs.dy.shape);
      if (!fits) return plain.conv2dInputGradient(node, names);
      const at = new NodeBuilder(model, node);
      const inputs = [layout.blocked(names.dy, node), turnedWeightInBlocks(at, names.weight, weight, layout.block)];
      return convolve(node, inputs, convolution({ ...node.attributes, padding: pads }, kernel));
    },
    conv2dWeightGradient(node, names) {
      const { x, dy } = names;
      if (node.attributes.groups > 1 || !layout.isNative(x)) return plain.conv2dWeightGradient(node, names);
      const rows = layout.interleaved(x, node, node.inputs.x.shape[1] as number);
      return weightGradient(model, node, { rows, dy: layout.plain(dy) });
    },
  };
}

function convolution(
  { stride, padding, dilation }: Omit<AttributesOf<"conv2d">, "padding"> & { readonly padding: readonly number[] },
  kernel: readonly number[],
): OnnxAttributes {
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: padding },
    dilations: { ints: dilation },
  };
}

/** [O, C, KH, KW] as [O / block, C / block, KH, KW, block of C, block of O]; few channels are not in blocks. */
function weightInBlocks(at: NodeBuilder, weight: string, shape: Shape, block: number): string {
  const [outputs, channels, kh, kw] = shape;
  const flat = at.reshape("weight/flat", weight, [1, outputs, 1, channels * kh * kw]);
  const rows = at.step("ReorderInput", "weight/rows", [flat], {}, BLOCKED_DOMAIN);
  if (channels < block) return at.reshape("weight/blocks", rows, shape);
  const split = at.reshape("weight/split", rows, [outputs / block, channels / block, block, kh * kw, block]);
  return at.reshape("weight/blocks", at.transpose("weight/taps", split, [0, 1, 3, 2, 4]), shape);
}

/** The weight [O, C, KH, KW] of the transpose, [C, O, KH, KW] with taps in reverse order, in blocks. */
function turnedWeightInBlocks(at: NodeBuilder, weight: string, shape: Shape, block: number): string {
  const [outputs, channels, kh, kw] = shape;
  const rows = at.step("ReorderInput", "weight/rows", [weight], {}, BLOCKED_DOMAIN);
  const split = at.reshape("weight/split", rows, [outputs / block, block, channels / block, kh, kw, block]);
  const taps = at.transpose("weight/taps", split, [2, 0, 3, 4, 1, 5]);
  const least = -(2 ** 31);
  const range = { axes: [2, 3], starts: [-1, -1], ends: [least, least], steps: [-1, -1] };
  const turned = kh === 1 && kw === 1 ? taps : at.slice("weight/turned", taps, range);
  return at.reshape("weight/blocks", turned, [channels, outputs, kh, kw]);
}

function normRows(
  model: ModelBuilder,
  layout: BlockedLayout,
  plain: PlainRows,
): Pick<Lowering<string>, NormOp | "channelSum"> {
  const at = (node: AnyNode) => new NodeBuilder(model, node);
  const sumsOf = (node: AnyNode, value: string) =>
    sums(model, node, layout.block, value, node.inputs.x!.shape as Shape);
  const asVector = (node: AnyNode, value: string) =>
    model.emit("Reshape", node, [value, model.whole(node, "shape", node.shape as readonly number[])]);
  const meanOver = (node: AnyNode, value: string) => {
    const share = at(node).number("share", 1 / perChannel(node.inputs.x!.shape as Shape));
    return asVector(node, at(node).step("Mul", "mean", [sumsOf(node, value), share]));
  };
  /** scale · x + shift (+ sum) for each channel: a convolution of each channel alone, in one pass over memory. */
  const affine = (node: AnyNode, output: string, [x, scale, ...more]: readonly string[], channels: number) => {
    const kernel = at(node).reshape("scale", scale!, [channels, 1, 1, 1]);
    const attributes = { kernel_shape: { ints: [1, 1] }, group: { int: channels } };
    return model.add("Conv", output, [x, kernel, ...more], attributes, BLOCKED_DOMAIN);
  };
  /** Vectors that several nodes need: each is made once. */
  const deviation = (node: AnyNode, variance: string, epsilon: number) =>
    model.once(`deviation ${variance} ${epsilon}`, () => {
      const spread = at(node).step("Add", "spread", [variance, at(node).number("epsilon", epsilon)]);
      return at(node).step("Sqrt", "deviation", [spread]);
    });
  const gainOf = (node: AnyNode, scale: string, variance: string, epsilon: number) =>
    model.once(`gain ${scale} ${variance} ${epsilon}`, () =>
      at(node).step("Div", "gain", [scale, deviation(node, variance, epsilon)]),
    );
  /** x − mean, in blocks: for the variance and the output, and kept for the gradients instead of x. */
  const centered = (node: AnyNode, x: string, mean: string) =>
    model.once(`centered ${x} ${mean}`, () => {
      const channels = node.inputs.x!.shape[1] as number;
      const shift = at(node).step("Neg", "shift", [mean]);
      const inputs = [layout.blocked(x, node), model.fill(channels, 1), shift];
      return affine(node, model.nameFor(node, "centered"), inputs, channels);
    });
  return {
    channelSum: (node, { x }) =>
      layout.isNative(x) ? asVector(node, sumsOf(node, layout.blocked(x, node))) : plain.channelSum(node, { x }),
    batchMean: (node, { x }) =>
      layout.isNative(x) ? meanOver(node, layout.blocked(x, node)) : plain.batchMean(node, { x }),
    batchVariance(node, { x, mean }) {
      if (!layout.isNative(x)) return plain.batchVariance(node, { x, mean });
      const difference = centered(node, x, mean);
      return meanOver(node, at(node).step("Mul", "squares", [difference, difference]));
    },
    batchNorm(node, names) {
      const { x, scale, shift, mean, variance } = names;
      if (!layout.isNative(x)) return plain.batchNorm(node, names);
      const gain = gainOf(node, scale, variance, node.attributes.epsilon);
      const channels = node.shape[1] as number;
      const isOfBatch = is(node.inputs.mean, "batchMean");
      const offset = () => at(node).step("Sub", "offset", [shift, at(node).step("Mul", "center", [mean, gain])]);
      const inputs = isOfBatch ? [centered(node, x, mean), gain, shift] : [layout.blocked(x, node), gain, offset()];
      return layout.declare(node, (output) => affine(node, output, inputs, channels));
    },
    batchNormScaleGradient(node, names) {
      const { x, dy, mean, variance } = names;
      if (!layout.isNative(x)) return plain.batchNormScaleGradient(node, names);
      const products = at(node).step("Mul", "products", [layout.blocked(dy, node), centered(node, x, mean)]);
      const sum = at(node).reshape("sum", sumsOf(node, products), node.shape as readonly number[]);
      return model.emit("Div", node, [sum, deviation(node, variance, node.attributes.epsilon)]);
    },
    batchNormInputGradient(node, names) {
      const { x, dy, scale, mean, variance, scaleGradient, shiftGradient } = names;
      if (!layout.isNative(x)) return plain.batchNormInputGradient(node, names);
      const { epsilon } = node.attributes;
      const channels = node.shape[1] as number;
      const gain = gainOf(node, scale, variance, epsilon);
      const share = at(node).number("share", -1 / perChannel(node.shape as Shape));
      const part = at(node).step("Mul", "part", [gain, share]);
      const slope = at(node).step("Div", "slope", [scaleGradient, deviation(node, variance, epsilon)]);
      const ofX = at(node).step("Mul", "of x", [part, slope]);
      const constant = at(node).step("Mul", "constant", [part, shiftGradient]);
      const spread = affine(node, model.nameFor(node, "spread"), [centered(node, x, mean), ofX, constant], channels);
      const inputs = [layout.blocked(dy, node), gain, model.fill(channels, 0), spread];
      return layout.declare(node, (output) => affine(node, output, inputs, channels));
    },
  };
}

const perChannel = ([n, , h, w]: Shape) => n * h * w;

/** The sums over images and pixels of a value in blocks: [C / block, block]. */
function sums(model: ModelBuilder, node: AnyNode, block: number, value: string, [n, channels, h, w]: Shape): string {
  const at = new NodeBuilder(model, node);
  const rows = at.reshape("rows", value, [n, channels / block, h * w, block]);
  const byImage = at.step("MatMul", "by image", [model.fill(h * w, 1), rows]);
  return at.step("ReduceSum", "sums", [byImage, at.whole("images", [0])], { keepdims: { int: 0 } });
}
