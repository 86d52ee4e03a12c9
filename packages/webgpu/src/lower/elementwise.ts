import { type AnyNode, type Lowering, sizeOf } from "@residual/core";
import * as kernels from "../kernels/index.ts";
import { type KernelIn, rowOf } from "../kernels/kernel.ts";
import type { Builder, Operand } from "./builder.ts";
import { type Four, layoutOf } from "./layout.ts";

type ShapeOf = (node: AnyNode) => readonly number[];

/** The ops on numbers of any shape. Tensors in the host's order stay in it: those of parameters in training. */
export function elementwiseRows(
  builder: Builder,
  shapeOf: ShapeOf,
): Pick<Lowering<Operand>, "add" | "affine" | "divide" | "expand" | "reluGradient" | "reshape" | "sqrt" | "times"> {
  const { emit } = builder;
  const ready = builder.interleaved;
  const emitRow = (node: string, kernel: KernelIn, inputs: readonly Operand[], shape: readonly number[], params = {}) =>
    emit(node, kernel, inputs, shape, { params, grid: rowOf(sizeOf(shape)), order: "host" });
  /** A kernel of operands of one shape: of rows if all are in the host's order. */
  const alike = (
    { name }: AnyNode,
    inputs: readonly Operand[],
    kernel: { readonly device: KernelIn; readonly rows: KernelIn },
    params: { readonly [name: string]: number } = {},
  ): Operand => {
    const { shape } = inputs[0]!;
    if (inputs.every(({ order }) => order === "host")) return emitRow(name, kernel.rows, inputs, shape, params);
    return emit(name, kernel.device, inputs.map(ready), shape, { params });
  };
  /** x repeated to a shape, axis after axis, in the host's order. */
  const repeated = (node: string, x: Operand, shape: readonly number[]): Operand => {
    let made: Operand = { ...builder.inHostOrder(x), shape: x.shape.length === 0 ? shape.map(() => 1) : x.shape };
    for (const [axis, count] of shape.entries()) {
      if (made.shape[axis] === count) continue;
      const next = made.shape.with(axis, count);
      const params = { count, inner: sizeOf(made.shape.slice(axis + 1)) };
      made = emitRow(`${node}, repeated`, kernels.expandRow, [made], next, params);
    }
    return made;
  };
  const withSmaller =
    (kernel: {
      readonly alike: { readonly device: KernelIn; readonly rows: KernelIn };
      readonly smaller: KernelIn;
      readonly scalar: KernelIn;
    }) =>
    (node: AnyNode, { a, b }: { readonly a: Operand; readonly b: Operand }): Operand => {
      if (a.shape.join() === b.shape.join()) return alike(node, [a, b], kernel.alike);
      if (a.order === "host" && sizeOf(b.shape) === 1)
        return emitRow(node.name, kernel.scalar, [a, builder.inHostOrder(b)], a.shape);
      if (a.shape.length > 4) {
        const all = [builder.inHostOrder(a), repeated(node.name, b, a.shape)];
        return emitRow(node.name, kernel.alike.rows, all, a.shape);
      }
      return emit(node.name, kernel.smaller, [ready(a), ready(b)], a.shape, { params: broadcastOf(b.shape, a.shape) });
    };
  return {
    add: (node, { a, b }) => alike(node, [a, b], { device: kernels.add, rows: kernels.addRow }),
    affine(node, { x }) {
      const { factor, offset } = node.attributes;
      const params = { factor: bitsOf(factor), offset: bitsOf(offset) };
      return alike(node, [x], { device: kernels.affine, rows: kernels.affineRow }, params);
    },
    divide: withSmaller({
      alike: { device: kernels.divide, rows: kernels.divideRow },
      smaller: kernels.divideBySmaller,
      scalar: kernels.divideByScalar,
    }),
    expand(node, { x }) {
      const shape = shapeOf(node);
      if (x.shape.join() === shape.join()) return x;
      if (shape.length > 4) return repeated(node.name, x, shape);
      return emit(node.name, kernels.expand, [ready(x)], shape, { params: broadcastOf(x.shape, shape) });
    },
    reluGradient: (node, { y, dy }) =>
      alike(node, [y, dy], { device: kernels.reluGradient, rows: kernels.reluGradientRow }),
    reshape(node, { x }) {
      const shape = shapeOf(node);
      const [from, to] = [layoutOf(x.shape), layoutOf(shape)];
      const isAlike = from.channels === to.channels && from.images === to.images; // then pixels are too
      return x.order === "device" && isAlike ? { ...x, shape } : { ...builder.inHostOrder(x), shape };
    },
    sqrt: (node, { x }) => alike(node, [x], { device: kernels.sqrt, rows: kernels.sqrtRow }),
    times: withSmaller({
      alike: { device: kernels.times, rows: kernels.timesRow },
      smaller: kernels.timesSmaller,
      scalar: kernels.timesScalar,
    }),
  };
}

/** A shape of up to four axes as [images, channels, rows, columns], as `layoutOf` sees it. */
function asImages(shape: readonly number[]): Four {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  if (shape.length <= 1) return [1, a, 1, 1];
  return shape.length === 3 ? [a, b, 1, c] : [a, b, c, d];
}

/** The values of `broadcastParams` for an operand that broadcasts to `shape`. */
function broadcastOf(small: readonly number[], shape: readonly number[]): { readonly [name: string]: number } {
  const [, channels, , ow] = asImages(shape);
  const [n, c, h, w] = asImages(small);
  return {
    channels,
    ow,
    imageStep: n > 1 ? Math.ceil(c / 4) * h * w : 0,
    quadStep: c > 1 ? h * w : 0,
    rowStep: h > 1 ? w : 0,
    columnStep: w > 1 ? 1 : 0,
    isSingle: Number(c === 1),
  };
}

/** The bits of a number as a float32. */
export function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}
