import { type AnyNode, type Lowering, sizeOf } from "@residual/core";
import type { WeightGradient } from "../decide/weight-gradient.ts";
import * as kernels from "../kernels/index.ts";
import { type KernelIn, rowOf } from "../kernels/kernel.ts";
import { GROUP } from "../kernels/sums.ts";
import type { Builder, Operand } from "./builder.ts";
import { bitsOf } from "./elementwise.ts";
import { emitAsConvolutions, type TryConvolve } from "./input-gradient.ts";
import { four, layoutOf } from "./layout.ts";

type ShapeOf = (node: AnyNode) => readonly number[];
type Rows<Name extends keyof Lowering<Operand>> = Pick<Lowering<Operand>, Name>;

/** Vec4s that each invocation of a sum of squares takes, at least. */
const SQUARES = 64;

/** The ops that sum. Sums have a fixed order. */
export function sumRows(
  builder: Builder,
  shapeOf: ShapeOf,
  sumOfChannels: (node: string, x: Operand) => Operand,
): Rows<"sum" | "sumOfSquares"> {
  const { emit } = builder;
  return {
    sum(node, { x }) {
      const shape = shapeOf(node);
      const { axes } = node.attributes;
      const isOfChannels = x.shape.length > 1 && axes.join() === [...x.shape.keys()].filter((i) => i !== 1).join();
      if (isOfChannels && x.order === "device") return { ...sumOfChannels(node.name, x), shape };
      let made = builder.inHostOrder(x);
      for (const { outer, count, inner } of runsOf(x.shape, axes)) {
        for (let left = count; left > 1; ) {
          const groups = Math.ceil(left / GROUP);
          const size = outer * groups * inner;
          const options = { params: { count: left, inner, groups, size }, grid: rowOf(size), order: "host" } as const;
          made = emit(node.name, kernels.rowSumGroups, [made], [outer, groups, inner], options);
          left = groups;
        }
      }
      return { ...made, shape };
    },
    sumOfSquares(node, { x, total }) {
      const size = sizeOf(x.shape);
      const parts = Math.min(256, Math.ceil(size / 4 / SQUARES));
      const options = { params: { parts, size }, grid: rowOf(4 * parts), order: "host" } as const;
      const squares = emit(`${node.name}, parts`, kernels.squareSums, [builder.inHostOrder(x)], [4 * parts], options);
      const inputs = [squares, total ? builder.inHostOrder(total) : squares];
      const params = { parts, hasTotal: Number(total !== undefined) };
      return emit(node.name, kernels.sumToTotal, inputs, [], { params, grid: rowOf(1), order: "host" });
    },
  };
}

/** The neighbouring axes of a sum as one: [outer][count][inner]. Later axes come first, so that the sizes stay true. */
function runsOf(
  shape: readonly number[],
  axes: readonly number[],
): readonly { readonly outer: number; readonly count: number; readonly inner: number }[] {
  const runs: { first: number; end: number }[] = [];
  for (const axis of axes) {
    const run = runs.at(-1);
    if (run?.end === axis) run.end++;
    else runs.push({ first: axis, end: axis + 1 });
  }
  const inner = (end: number) => sizeOf(shape.map((size, axis) => (axis < end || axes.includes(axis) ? 1 : size)));
  return runs.toReversed().map(({ first, end }) => ({
    outer: sizeOf(shape.slice(0, first)),
    count: sizeOf(shape.slice(first, end)),
    inner: inner(end),
  }));
}

/** Emits a gradient by a fast strategy, if there is one for the layer. */
export type TryWeightGradient = (gradient: WeightGradient) => Operand | undefined;

/** The gradients of pools, slices and convolutions. */
export function gradientRows(
  builder: Builder,
  convolve: TryConvolve,
  weightGradient: TryWeightGradient,
  shapeOf: ShapeOf,
): Rows<"sliceChannels" | "maxPool2dGradient" | "conv2dInputGradient" | "conv2dWeightGradient"> {
  const { emit } = builder;
  const ready = builder.interleaved;
  return {
    sliceChannels(node, { x }) {
      const params = { xQuads: layoutOf(x.shape).quads, before: node.attributes.before };
      return emit(node.name, kernels.sliceChannels, [ready(x)], shapeOf(node), { params });
    },
    maxPool2dGradient(node, { x, dy }) {
      const { window, stride, padding } = node.attributes;
      const [, , h, w] = four(x.shape);
      const [, , oh, ow] = four(dy.shape);
      const windowed = { windowH: window[0], windowW: window[1], down: stride[0], right: stride[1] };
      const params = { h, w, oh, ow, ...windowed, top: padding[0], left: padding[1] };
      const winners = emit(`${node.name}, winners`, kernels.maxPool2dWinners, [ready(x)], dy.shape, {
        params,
        isFloat32: true,
      });
      return emit(node.name, kernels.maxPool2dGradient, [winners, ready(dy)], x.shape, { params });
    },
    conv2dInputGradient(node, { dy, weight }) {
      const shape = four(shapeOf(node));
      const { attributes } = node;
      const fast = emitAsConvolutions(builder, convolve, node, { dy, weight, shape, attributes });
      if (fast) return fast;
      const params = gradientParams(node.attributes, shape, four(dy.shape), four(weight.shape));
      return emit(node.name, kernels.conv2dInputGradient, [ready(dy), ready(weight)], shape, { params });
    },
    conv2dWeightGradient(node, { x, dy }) {
      const shape = four(shapeOf(node));
      const { kernel: _, ...attributes } = node.attributes;
      const bare = { hasBias: false, hasResidual: false, attributes: { ...attributes, relu: false } };
      const layer = { x: four(x.shape), weight: shape, y: four(dy.shape), ...bare };
      const fast = weightGradient({ node: node.name, layer, x, dy });
      if (fast) return fast;
      const params = gradientParams(node.attributes, four(x.shape), four(dy.shape), shape);
      const images = x.shape[0]!;
      return emit(node.name, kernels.conv2dWeightGradient, [ready(x), ready(dy)], shape, {
        params: { ...params, images },
      });
    },
  };
}

type Sizes = readonly [number, number, number, number];

interface Windowed {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

function gradientParams(
  { stride, padding, dilation, groups }: Windowed,
  x: Sizes,
  dy: Sizes,
  weight: Sizes,
): { readonly [name: string]: number } {
  const [down, right] = stride;
  const [top, left] = padding;
  const [dilationH, dilationW] = dilation;
  const [outputs, perGroup, kh, kw] = weight;
  return {
    h: x[2],
    w: x[3],
    xQuads: Math.ceil(x[1] / 4),
    oh: dy[2],
    ow: dy[3],
    yQuads: Math.ceil(dy[1] / 4),
    kh,
    kw,
    down,
    right,
    top,
    left,
    dilationH,
    dilationW,
    perGroup,
    weightQuads: Math.ceil(perGroup / 4),
    outputsPerGroup: outputs / groups,
  };
}

/** The ops of optimizers: one dispatch for each tensor, in the host's order. */
export function optimizerRows(builder: Builder): Rows<"movingAverage" | "descend" | "adamStep" | "choose"> {
  const row = (node: AnyNode, kernel: KernelIn, inputs: readonly Operand[], params = {}): Operand => {
    const { shape } = inputs[0]!;
    const options = { params, grid: rowOf(sizeOf(shape)), order: "host" } as const;
    return builder.emit(
      node.name,
      kernel,
      inputs.map((each) => builder.inHostOrder(each)),
      shape,
      options,
    );
  };
  return {
    movingAverage(node, { average, value, parameter, factor }) {
      const { keep, share, decay, squared } = node.attributes;
      const numbers = { keep: bitsOf(keep), share: bitsOf(share), decay: bitsOf(decay) };
      const flags = { squared, hasFactor: factor !== undefined, hasDecay: parameter !== undefined };
      const params = { ...numbers, ...Object.fromEntries(Object.entries(flags).map(([k, flag]) => [k, Number(flag)])) };
      return row(node, kernels.movingAverage, [average, value, parameter ?? value, factor ?? value], params);
    },
    descend(node, { parameter, direction, learningRate }) {
      const { rate, decay } = node.attributes;
      const params = { rate: bitsOf(rate), decay: bitsOf(decay) };
      return row(node, kernels.descend, [parameter, direction, learningRate], params);
    },
    adamStep(node, { parameter, mean, square, meanWeight, squareWeight, learningRate }) {
      const { epsilon, rate, decay } = node.attributes;
      const params = { epsilon: bitsOf(epsilon), rate: bitsOf(rate), decay: bitsOf(decay) };
      const inputs = [parameter, mean, square, meanWeight, squareWeight, learningRate];
      return row(node, kernels.adamStep, inputs, params);
    },
    choose: (node, { before, after, condition }) => row(node, kernels.choose, [before, after, condition]),
  };
}
