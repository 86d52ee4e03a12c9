import { type AnyNode, evaluateOp, type OpName, type Shape, ShapeError } from "@residual/core";
import fc from "fast-check";
import type { Kernel } from "../kernels/kernel.ts";
import type { ImageLayout } from "../layout.ts";
import { differences } from "./differences.ts";
import { type Images, tensorOfImages } from "./images.ts";
import { runKernel } from "./run-kernel.ts";

interface KernelCheck {
  readonly kernel: Kernel;
  readonly op: OpName;
  readonly attributes?: AnyNode["attributes"];
  readonly inputs: { readonly [input: string]: Images };
  /** Of the answer. */
  readonly shape: readonly number[];
  readonly y: ImageLayout;
  /** How far from the exact answer each number may be, given the answer for |inputs|; not at all where not given. */
  readonly bound?: (exact: number, size: number) => number;
}

/** What a kernel gives otherwise than core's op in float64, in words. */
export function wrongIn({
  kernel,
  op,
  attributes = {},
  inputs,
  shape,
  y,
  bound = () => 0,
}: KernelCheck): readonly string[] {
  const answer = (change: (value: number) => number) => {
    const tensors = Object.entries(inputs).map(
      ([name, images]) => [name, tensorOfImages({ ...images, data: images.data.map(change) })] as const,
    );
    return evaluateOp({ op, attributes }, Object.fromEntries(tensors), shape);
  };
  const [exact, size] = [answer((value) => value), answer(Math.abs)];
  const found = runKernel(kernel, Object.values(inputs), { layout: y, images: shape[0]! });
  return differences(found, exact, (at) => bound(exact[at]!, size[at]!));
}

/** The shape of a node's answer. Attributes that do not fit the shape of x are no case of a property. */
export function shapeOf(make: () => { readonly shape: Shape }): readonly number[] {
  try {
    return make().shape.map(Number);
  } catch (error) {
    fc.pre(!(error instanceof ShapeError));
    throw error;
  }
}

export function sizesOf({ layout: { channels, height, width }, images }: Images): readonly number[] {
  return [images, channels, height, width];
}

/** Where an answer of that shape is written, with the border of another layout. */
export function target(shape: readonly number[], { border }: ImageLayout): ImageLayout {
  const [, channels = 1, height = 1, width = 1] = shape;
  return { order: "quads", channels, height, width, border };
}
