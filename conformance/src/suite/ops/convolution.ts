import { type AttributesOf, evaluateOp, ops, type Tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { isWinograd, winogradMagnitudes, winogradRoundings } from "../winograd.ts";
import { both, from0, upTo } from "./drafts.ts";
import { biasAt, cutImage, fieldOf } from "./field.ts";
import type { Cut, ExactAnswer, Operands } from "./op-suite.ts";
import { eightBits } from "./quantized.ts";
import { absolute, magnitudes, summed } from "./rounding.ts";

/** Kernels and paddings of all kinds. The kernel fits into the image at least once by construction. */
export const convolution = fc
  .record({
    batch: upTo(3),
    groups: upTo(4),
    inputs: upTo(5),
    outputs: upTo(5),
    kernel: both(upTo(4)),
    stride: both(upTo(3)),
    dilation: both(upTo(3)),
    padding: fc.tuple(from0(3), from0(3), from0(3), from0(3)),
    extra: both(from0(8)),
    bias: fc.boolean(),
    residual: fc.boolean(),
    relu: fc.boolean(),
  })
  .map(({ batch, groups, inputs, outputs, kernel, stride, dilation, padding, extra, bias, residual, relu }) => {
    const [top, left, bottom, right] = padding;
    const reach = kernel.map((taps, axis) => dilation[axis]! * (taps - 1) + 1) as [number, number];
    const sides = [Math.max(1, reach[0] - top - bottom) + extra[0], Math.max(1, reach[1] - left - right) + extra[1]];
    const steps = [sides[0]! + top + bottom - reach[0], sides[1]! + left + right - reach[1]];
    const out = steps.map((each, axis) => Math.floor(each / stride[axis]!) + 1);
    return {
      x: [batch, groups * inputs, ...sides],
      weight: [groups * outputs, inputs, ...kernel],
      bias: bias ? { bias: [groups * outputs] } : {},
      residual: residual ? { residual: [batch, groups * outputs, ...out] } : {},
      attributes: { stride, padding, dilation, groups },
      relu,
    };
  });

/** The bound of a convolution by any algorithm that the arithmetic allows. */
export function convolved(
  inputs: Operands<"fusedConv2d", "float64">,
  attributes: AttributesOf<"conv2d">,
  { shape, arithmetic }: ExactAnswer,
): Float64Array {
  const { x, weight, bias, residual } = inputs;
  const size = evaluateOp({ op: "fusedConv2d", attributes: { ...attributes, relu: false } }, magnitudes(inputs), shape);
  const others = (bias ? 1 : 0) + (residual ? 1 : 0);
  const plain = weight.data.length / weight.shape[0]! + others;
  const bound = summed(size, plain, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
  if (isWinograd(attributes, weight)) {
    for (const name of arithmetic.winograd) {
      const transformed = winogradMagnitudes(name, { x, weight }, attributes, shape);
      const roundings = weight.shape[1]! + winogradRoundings(name) + others;
      const whole = transformed.map((each, i) => each + size[i]!); // bias and residual are part of size
      const other = summed(whole, roundings, arithmetic, { stored: 3 + arithmetic.products, factors: [x, weight] });
      for (let i = 0; i < bound.length; i++) bound[i] = Math.max(bound[i]!, other[i]!);
    }
  }
  if (!arithmetic.int8) return bound;
  const [, outputs, oh, ow] = shape as [number, number, number, number];
  const ones = { ...weight, data: weight.data.map(() => 1) };
  const ofX = ops.conv2d.evaluate({ x: absolute(x), weight: ones }, attributes, shape);
  const cost = eightBits(x, weight);
  return bound.map((each, i) => each + cost(Math.floor(i / (oh * ow)) % outputs, ofX[i]!));
}

/** The terms of one element of a convolution. */
export function cutConvolution(
  { x, weight, bias, residual }: Operands<"fusedConv2d", "float32">,
  { stride, padding: [top, left], dilation, groups }: AttributesOf<"conv2d">,
  [n = 0, o = 0, i = 0, j = 0]: readonly number[],
): Cut {
  const [outputs, perGroup, kh, kw] = weight.shape as [number, number, number, number];
  // Winograd's tiles cover pixels outside the element's own window, and the bound depends on these pixels.
  const tile = isWinograd({ stride, dilation }, weight) ? TILE : 1;
  const corner = [n, o, i - (i % tile), j - (j % tile)];
  const reach = [dilation[0] * (kh - 1) + tile, dilation[1] * (kw - 1) + tile] as const;
  const [rows, columns] = fieldOf(corner, [top, left], stride, reach);
  const first = Math.floor(o / (outputs / groups)) * perGroup;
  const { image, padding } = cutImage(x, n, [first, first + perGroup], rows, columns);
  const length = perGroup * kh * kw;
  const kernel = tensorOf("float32", [1, perGroup, kh, kw], weight.data.slice(o * length, (o + 1) * length));
  const at = (i % tile) * tile + (j % tile);
  const inputs = { x: image, weight: kernel, ...biasAt(bias, o), ...residualAt(residual, [n, o, i, j], tile, at) };
  return { inputs, attributes: { stride: [1, 1], padding, dilation, groups: 1 }, at };
}

/** A tile side that the tiles of F(2×2, 3×3) and of F(4×4, 3×3) both divide. */
const TILE = 4;

/** The element's own residual, with zeros around. */
function residualAt(
  residual: Tensor<"float32"> | undefined,
  index: readonly number[],
  tile: number,
  at: number,
): Cut["inputs"] {
  if (!residual) return {};
  const data = new Float32Array(tile * tile);
  data[at] = residual.data[index.reduce((flat, each, axis) => flat * residual.shape[axis]! + each, 0)]!;
  return { residual: tensorOf("float32", [1, 1, tile, tile], data) };
}
