import type { Change, NetworkNode, Weight } from "./network.ts";

/** The order of the axes of an image. */
export type ImageLayout = "NCHW" | "NHWC";

/** The value of a name while a graph is translated. */
export type NamedValue =
  | { readonly kind: "computed"; readonly node: NetworkNode; readonly layout: ImageLayout }
  | Constant;

/** A tensor that does not depend on the image. */
export interface Constant {
  readonly kind: "constant";
  readonly shape: readonly number[];
  /** The tensor of the file; undefined if the graph computes the numbers. */
  readonly weight?: Weight | undefined;
  /** The numbers in row-major order. Known only for small tensors. */
  readonly numbers?: readonly number[] | undefined;
}

/** The most changes of a weight. Exporters write a few. */
const MOST_CHANGES = 8;
/** The most axes of a weight. */
const MOST_AXES = 16;

/** Adds a change to a weight; undefined above the limits. */
export function changed(weight: Weight, change: Change): Weight | undefined {
  const shape = "order" in change ? change.order.map((axis) => weight.shape[axis]!) : change.shape;
  if (weight.changes.length === MOST_CHANGES || shape.length > MOST_AXES) return undefined;
  return { ...weight, shape, changes: [...weight.changes, change] };
}

/** A weight as a vector of this length. Axes of size 1 are removed. Undefined for other shapes. */
export function vectorOf(weight: Weight, size: number): Weight | undefined {
  const { shape } = weight;
  if (shape.length === 1) return shape[0] === size ? weight : undefined;
  const sizes = shape.filter((axis) => axis !== 1);
  const isVector = size === 1 ? sizes.length === 0 : sizes.length === 1 && sizes[0] === size;
  return isVector ? changed(weight, { shape: [size] }) : undefined;
}

/** Reorders values per axis from an image's layout to NCHW. */
export function channelsFirst<T>(layout: ImageLayout, axes: readonly T[]): readonly T[] {
  if (layout === "NCHW" || axes.length !== 4) return axes;
  const [n, h, w, c] = axes as readonly [T, T, T, T];
  return [n, c, h, w];
}

/** The layout of images of a shape. Channels are last if only the last axis can be channels: 1, 3 or 4. */
export function layoutOf(shape: readonly (number | undefined)[] | undefined): ImageLayout {
  const isCount = (size: number | undefined) => size === 1 || size === 3 || size === 4;
  return shape?.length === 4 && isCount(shape[3]) && !isCount(shape[1]) ? "NHWC" : "NCHW";
}
