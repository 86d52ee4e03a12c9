import type { AnyNode, AttributesOf } from "@residual/core";
import type { Layer } from "../decide/layer.ts";
import { interleave } from "../kernels/interleave.ts";
import type { Builder, Operand } from "./builder.ts";
import type { Convolution } from "./convolution.ts";
import { type Four, four } from "./layout.ts";
import { transposedView } from "./weight-view.ts";

/** Emits a convolution by a fast strategy, if there is one for the layer. */
export type TryConvolve = (node: AnyNode, layer: Layer, inputs: Convolution["inputs"]) => Operand | undefined;

interface Request {
  readonly dy: Operand;
  readonly weight: Operand;
  /** The gradient's shape, that of the convolution's input. */
  readonly shape: Four;
  readonly attributes: AttributesOf<"conv2d">;
}

/**
 * The gradient of a convolution by its input, as convolutions of dy. Outputs and inputs of the weights are exchanged,
 * and their taps reversed. With a stride of 2 each second pixel of the gradient is a convolution of its own, by the
 * taps
 * that meet it: together they multiply as much as the forward convolution. Undefined if no fast strategy fits.
 */
export function emitAsConvolutions(
  builder: Builder,
  convolve: TryConvolve,
  node: AnyNode,
  request: Request,
): Operand | undefined {
  const { stride, dilation } = request.attributes;
  const [down, right] = stride;
  if (Math.max(down, right) === 1) return emitPhase(builder, convolve, node, request, [0, 0]);
  if (Math.max(down, right) > 2 || Math.max(...dilation) > 1) return undefined;
  const phases: (Operand | undefined)[] = [];
  for (const phase of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const) {
    const isEmpty = phase.some((first, axis) => {
      const isBeyond = first >= Math.min(stride[axis]!, request.shape[2 + axis]!);
      return isBeyond || tapsOf(request, axis as Axis, first).count === 0;
    });
    const made = isEmpty ? undefined : emitPhase(builder, convolve, node, request, phase);
    if (!isEmpty && !made) return undefined;
    phases.push(made);
  }
  return emitInterleaved(builder, node.name, phases, request.shape, stride);
}

/** An image of zeros, and of the pixels of up to four others at steps of `stride`, which is 1 or 2. */
function emitInterleaved(
  builder: Builder,
  name: string,
  phases: readonly (Operand | undefined)[],
  shape: Four,
  [down, right]: readonly [number, number],
): Operand {
  const [images, channels, h, w] = shape;
  const instead = phases.find((phase) => phase !== undefined)!;
  const has = phases.reduce((bits, phase, i) => bits + (phase ? 2 ** i : 0), 0);
  const blocks = Math.ceil(w / right);
  const grid = { images, channels, quads: Math.ceil(channels / 4), pixels: Math.ceil(h / down) * blocks };
  const inputs = phases.map((phase) => builder.interleaved(phase ?? instead));
  return builder.emit(name, interleave, inputs, shape, { params: { h, w, down, right, blocks, has }, grid });
}

type Axis = 0 | 1;

/**
 * The taps that meet each `stride`-th pixel from `first` on: the first of them, their count, and the rows of padding
 * before dy.
 */
function tapsOf(
  { weight, attributes: { stride, padding, dilation } }: Request,
  axis: Axis,
  first: number,
): { readonly last: number; readonly count: number; readonly padding: number } {
  const [size, step, before] = [weight.shape[2 + axis]!, stride[axis], padding[axis]];
  if (step === 1) return { last: size - 1, count: size, padding: dilation[axis] * (size - 1) - before };
  const tap = (first + before) % step;
  const count = Math.max(0, Math.ceil((size - tap) / step));
  return { last: tap + step * (count - 1), count, padding: count - 1 - (first + before - tap) / step };
}

/** The convolution for the pixels of a phase: each `stride`-th row and column. */
function emitPhase(
  builder: Builder,
  convolve: TryConvolve,
  node: AnyNode,
  request: Request,
  phase: readonly [number, number],
): Operand | undefined {
  const { dy, weight, shape, attributes } = request;
  const { stride, groups, dilation } = attributes;
  const source = four(weight.shape);
  const [rows, columns] = [tapsOf(request, 0, phase[0]), tapsOf(request, 1, phase[1])];
  const [n, c, h, w] = shape;
  const sizeOf = (size: number, axis: Axis) => Math.ceil((size - phase[axis]) / stride[axis]);
  const y: Four = [n, c, sizeOf(h, 0), sizeOf(w, 1)];
  const view: Four = [c, source[0] / groups, rows.count, columns.count];
  const x = four(dy.shape);
  const end = (of: number, seen: number, taps: number, before: number, step: number) =>
    of - 1 + step * (taps - 1) - before - (seen - 1); // rows of padding after dy
  const padding = [
    rows.padding,
    columns.padding,
    end(y[2], x[2], rows.count, rows.padding, dilation[0]),
    end(y[3], x[3], columns.count, columns.padding, dilation[1]),
  ] as const;
  const layer: Layer = {
    x,
    weight: view,
    y,
    hasBias: false,
    hasResidual: false,
    attributes: { stride: [1, 1], padding, dilation, groups, relu: false },
  };
  const step = [-stride[0], -stride[1]] as const;
  const taps = transposedView(source, groups, { first: [rows.last, columns.last], step });
  const inputs = { x: dy, weight: { ...builder.inHostOrder(weight), shape: view, view: taps } };
  return convolve(node, layer, inputs);
}
