import type { Change, NetworkNode, Weight } from "./network.ts";

/** The order of the axes of an image. */
export type ImageLayout = "NCHW" | "NHWC";

/** The value of a name while a graph is read. */
export type NamedValue =
  | { readonly kind: "computed"; readonly node: NetworkNode; readonly layout: ImageLayout }
  | Constant;

/** A tensor that does not depend on the image. */
export interface Constant {
  readonly kind: "constant";
  readonly shape: readonly number[];
  /** Undefined where the graph works the numbers out. */
  readonly weight?: Weight | undefined;
  /** Known of small ones, row-major. */
  readonly numbers?: readonly number[] | undefined;
}

/** A graph changes a weight a few times at most. */
const MOST_CHANGES = 8;
/** More axes than any weight has. */
const MOST_AXES = 16;

/** The weight with one change more; undefined where there are more than any exporter writes. */
export function changed(weight: Weight, change: Change): Weight | undefined {
  const shape = "order" in change ? change.order.map((axis) => weight.shape[axis]!) : change.shape;
  if (weight.changes.length === MOST_CHANGES || shape.length > MOST_AXES) return undefined;
  return { ...weight, shape, changes: [...weight.changes, change] };
}

/** A vector of this length, with any axes of size 1; undefined for other tensors. */
export function vectorOf(weight: Weight, size: number): Weight | undefined {
  const { shape } = weight;
  if (shape.length === 1) return shape[0] === size ? weight : undefined;
  const sizes = shape.filter((axis) => axis !== 1);
  const isVector = size === 1 ? sizes.length === 0 : sizes.length === 1 && sizes[0] === size;
  return isVector ? changed(weight, { shape: [size] }) : undefined;
}

/** Axes of an image in NCHW, from axes of its layout. */
export function channelsFirst<T>(layout: ImageLayout, axes: readonly T[]): readonly T[] {
  if (layout === "NCHW" || axes.length !== 4) return axes;
  const [n, h, w, c] = axes as readonly [T, T, T, T];
  return [n, c, h, w];
}

/** Whether an image of such a shape has its channels last: 1, 3 or 4 of them. */
export function layoutOf(shape: readonly (number | undefined)[] | undefined): ImageLayout {
  const isCount = (size: number | undefined) => size === 1 || size === 3 || size === 4;
  return shape?.length === 4 && isCount(shape[3]) && !isCount(shape[1]) ? "NHWC" : "NCHW";
}
