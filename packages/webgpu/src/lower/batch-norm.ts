import { type AnyNode, is, type Lowering, type Value } from "@residual/core";
import * as kernels from "../kernels/index.ts";
import type { Builder, Operand } from "./builder.ts";
import { bitsOf } from "./elementwise.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { keyOf } from "./plan.ts";

/** Parts of a channel's sum: one for each invocation of a workgroup. */
const PARTS = 64;

/** The parts of a channel's sum over images of `x`, as params of `channelSums` (sums.ts). */
function partsOf({ images, pixels }: Layout): {
  readonly images: number;
  readonly xPixels: number;
  readonly pixelParts: number;
  readonly imageParts: number;
} {
  const pixelParts = Math.min(pixels, PARTS);
  return { images, xPixels: pixels, pixelParts, imageParts: Math.min(images, Math.floor(PARTS / pixelParts)) };
}

/** Images that one invocation normalizes, at most. */
const IMAGES = 8;

interface NormOperands {
  readonly x: Operand;
  readonly residual?: Operand | undefined;
  readonly scale: Operand;
  readonly shift: Operand;
  readonly mean: Operand;
  readonly variance: Operand;
}

interface NormAttributes {
  readonly epsilon: number;
  readonly relu: boolean;
}

type NormRows = Pick<
  Lowering<Operand>,
  "batchMean" | "batchVariance" | "batchNormScaleGradient" | "batchNormInputGradient" | "channelSum"
>;

/** The ops of batch norm in training. Statistics, and gradients of scales and shifts, are in the host's order. */
export function batchNormRows(
  builder: Builder,
  nodes: readonly AnyNode[],
): {
  readonly rows: NormRows;
  readonly sumOfChannels: (node: string, x: Operand) => Operand;
  readonly normalize: (node: string, inputs: NormOperands, end: NormAttributes) => Operand;
} {
  const { emit, interleaved: ready, inHostOrder } = builder;
  const made = new Map<string, Operand>();
  const once = (key: string, make: () => Operand): Operand => {
    const operand = made.get(key) ?? make();
    made.set(key, operand);
    return operand;
  };
  /** The norm whose scale gradient sums dy too, by dy. */
  const normOf = new Map<Value, AnyNode>();
  for (const node of nodes) if (is(node, "batchNormScaleGradient")) normOf.set(node.inputs.dy, node);

  const momentParts = (x: Operand): Operand =>
    once(`moments ${keyOf(x.storage)}`, () => {
      const layout = layoutOf(x.shape);
      const params = partsOf(layout);
      const parts = params.pixelParts * params.imageParts;
      const grid = layoutOf([1, layout.channels, parts]);
      const options = { params, grid, isFloat32: true };
      return emit("moments", kernels.momentParts, [ready(x)], [2, layout.channels, parts], options);
    });
  const momentsOf = (node: string, x: Operand, isVariance: boolean): Operand => {
    const layout = layoutOf(x.shape);
    const params = { ...partsOf(layout), isVariance: Number(isVariance) };
    const grid = layoutOf([layout.channels]);
    return emit(node, kernels.moments, [momentParts(x)], [layout.channels], { params, grid, order: "host" });
  };
  /** The x of each mean. */
  const means = new Map<Value, { readonly x: Operand; readonly mean: Operand }>();
  const gradientParts = (x: Operand, dy: Operand, mean: Operand): Operand =>
    once(`gradients ${[x, dy, mean].map(({ storage }) => keyOf(storage)).join()}`, () => {
      const layout = layoutOf(x.shape);
      const params = partsOf(layout);
      const parts = params.pixelParts * params.imageParts;
      const options = { params, grid: layoutOf([1, layout.channels, parts]), isFloat32: true };
      const inputs = [ready(x), ready(dy), inHostOrder(mean)];
      return emit("gradients of a norm", kernels.gradientParts, inputs, [2, layout.channels, parts], options);
    });
  /** The sum over the parts of each channel, times a factor. */
  const sumOfParts = (node: string, sums: Operand, factor = 1): Operand => {
    const [, channels = 1, parts = 1] = sums.shape;
    const options = { params: { parts, factor: bitsOf(factor) }, grid: layoutOf([channels]), order: "host" } as const;
    return emit(node, kernels.sumOfParts, [sums], [channels], options);
  };
  const sumOfChannels = (node: string, x: Operand): Operand => {
    const layout = layoutOf(x.shape);
    const params = partsOf(layout);
    const shape = [1, layout.channels, params.pixelParts * params.imageParts];
    const sums = emit(`${node}, parts`, kernels.channelSums, [ready(x)], shape, { params, isFloat32: true });
    return sumOfParts(node, sums);
  };
  const eachImage = (shape: readonly number[]) => {
    const layout = layoutOf(shape);
    const groups = Math.ceil(layout.images / IMAGES);
    return { params: { images: layout.images, groups }, grid: { ...layout, images: groups } };
  };
  const normalize = (node: string, { x, residual, ...vectors }: NormOperands, end: NormAttributes): Operand => {
    const { scale, shift, mean, variance } = vectors;
    const { params, grid } = eachImage(x.shape);
    const flags = { hasResidual: Number(residual !== undefined), relu: Number(end.relu) };
    const own = ready(x);
    const inputs = [own, residual ? ready(residual) : own, ...[scale, shift, mean, variance].map(inHostOrder)];
    const options = { params: { ...params, ...flags, epsilon: bitsOf(end.epsilon) }, grid };
    return emit(node, kernels.normalize, inputs, x.shape, options);
  };
  const rows: NormRows = {
    batchMean(node, { x }) {
      const mean = momentsOf(node.name, x, false);
      means.set(node, { x, mean });
      return mean;
    },
    batchVariance(node, { x, mean }) {
      if (is(node.inputs.mean, "batchMean") && node.inputs.mean.inputs.x === node.inputs.x)
        return momentsOf(node.name, x, true);
      const layout = layoutOf(x.shape);
      const params = partsOf(layout);
      const shape = [1, layout.channels, params.pixelParts * params.imageParts];
      const inputs = [ready(x), inHostOrder(mean)];
      const squares = emit(`${node.name}, parts`, kernels.squareParts, inputs, shape, { params, isFloat32: true });
      return sumOfParts(node.name, squares, 1 / (layout.images * layout.pixels));
    },
    channelSum(node, { x }) {
      const norm = normOf.get(node.inputs.x);
      const of = norm && is(norm.inputs.mean, "batchMean") && norm.inputs.mean.inputs.x === norm.inputs.x;
      const known = of ? means.get(norm.inputs.mean!) : undefined;
      if (known) return sumOfParts(node.name, gradientParts(known.x, x, known.mean));
      return sumOfChannels(node.name, x);
    },
    batchNormScaleGradient(node, { x, dy, mean, variance }) {
      const sums = gradientParts(x, dy, mean);
      const [, channels = 1, parts = 1] = sums.shape;
      const params = { parts, begin: Math.ceil(channels / 4) * parts, epsilon: bitsOf(node.attributes.epsilon) };
      const options = { params, grid: layoutOf([channels]), order: "host" } as const;
      return emit(node.name, kernels.scaleGradientOfParts, [sums, inHostOrder(variance)], [channels], options);
    },
    batchNormInputGradient(node, { x, dy, ...vectors }) {
      const { scale, mean, variance, scaleGradient, shiftGradient } = vectors;
      const { images, pixels } = layoutOf(x.shape);
      const { params, grid } = eachImage(x.shape);
      const numbers = { epsilon: bitsOf(node.attributes.epsilon), share: bitsOf(1 / (images * pixels)) };
      const rows = [scale, mean, variance, scaleGradient, shiftGradient].map(inHostOrder);
      const options = { params: { ...params, ...numbers }, grid };
      return emit(node.name, kernels.batchNormInputGradient, [ready(x), ready(dy), ...rows], x.shape, options);
    },
  };
  return { rows, sumOfChannels, normalize };
}
