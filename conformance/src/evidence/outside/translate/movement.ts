import { ops, sizeOf, type Value } from "@residual/core";
import { filled, leading, type Operand, permuted, viewed } from "../operand.ts";
import { constraint, noOp } from "../refusal.ts";
import type { ConcatRequest, PadRequest, ReshapeRequest, SliceRequest, TransposeRequest } from "../request.ts";
import { around, axisOf, type Leaf, shifted, type Translation } from "./translation.ts";

/** Pads each part with channels of zeros in place of the other parts, and adds the padded parts: x + 0 is x. */
export function concat({ parts, axis: given }: ConcatRequest, leaf: Leaf): Translation {
  const axis = axisOf(given, parts[0]!.shape.length);
  const channels = parts.map(({ shape }) => shape[axis]!);
  const total = sum(channels);
  const padded = parts.map((part, i): Value => {
    const before = sum(channels.slice(0, i));
    const image = viewed(part, [...around(part.shape, axis), 1]);
    return ops.padChannels({ x: leaf(image) }, { before, after: total - before - channels[i]! });
  });
  return { y: padded.reduce((a, b) => ops.add({ a, b })) };
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a + b, 0);
}

/**
 * A convolution by a single 1 pads rows and columns with zeros. Any other padding value is subtracted before and added
 * afterwards.
 */
export function pad(request: PadRequest, leaf: Leaf): Translation {
  const { x, mode, value } = request;
  if (mode !== "constant") return noOp(["pad"], `padding in mode ${mode}: ours are of zeros`);
  const shape = leading(x.shape, 4);
  const [before, after] = [request.before, request.after].map((sizes) => zeros(sizes)) as [number[], number[]];
  if (shape.length > 4 || before[0]! + after[0]! > 0) return noOp(["pad"], "padding of more than three axes: no op");
  const image = leaf(viewed(x, shape));
  const edge = value === 0 ? image : shifted(image, -value, leaf);
  const wide = bordered(edge, [before[2]!, before[3]!, after[2]!, after[3]!], leaf);
  const y = ops.padChannels({ x: wide }, { before: before[1]!, after: after[1]! });
  return { y: value === 0 ? y : shifted(y, value, leaf) };
}

function zeros(sizes: readonly number[]): number[] {
  return [...Array.from({ length: 4 - sizes.length }, () => 0), ...sizes];
}

function bordered(x: Value, padding: readonly [number, number, number, number], leaf: Leaf): Value {
  const channels = x.shape[1] as number;
  const weight = leaf(filled([channels, 1, 1, 1], 1));
  return ops.conv2d({ x, weight }, { padding, groups: channels });
}

/** flatten where it gives the shape, for it may fold: it keeps the first axis, or gets a first axis of size 1. */
export function reshape({ x, shape }: ReshapeRequest, leaf: Leaf): Translation {
  if (sizeOf(x.shape) === 0)
    return constraint("reshape.C1", () => ops.reshape({ x: leaf(x) }, { shape }), "empty tensors");
  const [rows] = shape;
  const isFlat = shape.length === 2 && (rows === x.shape[0] || rows === 1);
  if (!isFlat) return { y: ops.reshape({ x: leaf(x) }, { shape }) };
  const batch = rows === x.shape[0] ? x.shape.slice(1) : x.shape;
  const inner = batch.length > 3 ? [sizeOf(batch.slice(0, -2)), ...batch.slice(-2)] : [...batch, 1, 1, 1].slice(0, 3);
  return { y: ops.flatten({ x: leaf(viewed(x, [rows!, ...inner])) }) };
}

/** sliceChannels cuts out a range; subsample keeps every n-th pixel from the first on. */
export function slice(request: SliceRequest, leaf: Leaf): Translation {
  const { x, starts, ends, steps } = request;
  const whole = x.shape.every((size, axis) => starts[axis] === 0 && ends[axis] === size);
  const strided = [...x.shape.keys()].filter((axis) => steps[axis]! > 1);
  if (!whole && steps.every((step) => step === 1) && starts.every((start, axis) => start < ends[axis]!))
    return { y: cut(request, leaf) };
  if (!whole || strided.length > 2)
    return noOp(["slice", "crop"], "slice: ours has a range, or a step from the first on");
  const axes = [...[...x.shape.keys()].filter((axis) => !strided.includes(axis)), ...strided];
  const sizes = leading(
    strided.map((axis) => x.shape[axis]!),
    2,
  );
  const [down, across] = leading(
    strided.map((axis) => steps[axis]!),
    2,
  ) as [number, number];
  const image = viewed(permuted(x, axes), [1, sizeOf(x.shape) / sizeOf(sizes), ...sizes]);
  const layout = (expected: Operand) => permuted(expected, axes);
  return { y: ops.subsample({ x: leaf(image) }, { stride: [down, across] }), layout };
}

/** The axes one after the other, each as channels of an image. */
function cut({ x, starts, ends }: SliceRequest, leaf: Leaf): Value {
  const shape = [...x.shape];
  let y = leaf(x);
  for (const [axis, size] of x.shape.entries()) {
    const [start, end] = [starts[axis]!, ends[axis]!];
    if (start === 0 && end === size) continue;
    const image = ops.reshape({ x: y }, { shape: [...around(shape, axis), 1] });
    shape[axis] = end - start;
    y = ops.reshape({ x: ops.sliceChannels({ x: image }, { before: start, after: size - end }) }, { shape });
  }
  return y;
}

export function transpose(_request: TransposeRequest, _leaf: Leaf): Translation {
  return noOp(["transpose", "permute"], "transpose: no op");
}
