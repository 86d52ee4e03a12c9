import type { AnyNode, AttributesOf, Node } from "@residual/core";
import type { ModelBuilder } from "./model-builder.ts";
import { NodeBuilder } from "./node-builder.ts";

/** The sizes of a weight's gradient. */
interface Sizes extends AttributesOf<"conv2dWeightGradient"> {
  readonly images: number;
  /** Channels of x in a group. */
  readonly channels: number;
  /** Height and width of x. */
  readonly size: readonly [number, number];
  /** Channels of dy in a group. */
  readonly outputs: number;
  /** Height and width of dy. */
  readonly steps: readonly [number, number];
}

/** x [N, C, H, W], or with the channels of a pixel side by side, [N, H, W, C]; the latter only without groups. */
type Names = { readonly dy: string } & ({ readonly x: string } | { readonly rows: string });

/** One way to compute a weight's gradient. All ways multiply the same numbers; they differ in what they move. */
interface Form {
  /** Whether this way computes a gradient of these sizes. */
  fits(sizes: Sizes): boolean;
  /** The numbers written besides the gradient itself. */
  moves(sizes: Sizes): number;
  /** Adds the operators of the node. */
  emit(at: NodeBuilder, sizes: Sizes, names: Names): string;
}

const isPointwise = ({ kernel, padding }: Sizes) =>
  kernel[0] === 1 && kernel[1] === 1 && padding.every((each) => each === 0);
const taps = ({ kernel }: Sizes) => kernel[0] * kernel[1];
const sizeOfX = ({ images, groups, channels, size }: Sizes) => images * groups * channels * size[0] * size[1];
const sizeOfDy = ({ images, groups, outputs, steps }: Sizes) => images * groups * outputs * steps[0] * steps[1];
const sizeOfWeight = (sizes: Sizes) => sizes.groups * sizes.outputs * sizes.channels * taps(sizes);
/** Pixels of x that a 1×1 kernel sees. */
const sizeOfSeen = (sizes: Sizes) => (sizeOfDy(sizes) / sizes.outputs) * sizes.channels;
const strided = (sizes: Sizes) => (sizes.stride.some((step) => step > 1) ? sizeOfSeen(sizes) : 0);

/**
 * The forms, measured in docs/decisions/2026-11-30-training-on-onnx.md.
 *
 * A 1×1 kernel has one product for each image: dy · xᵀ. Any other kernel is a convolution whose *kernel is dy*: of an
 * image whose rows hold all channels of a pixel side by side (NHWC), dilated by the number of channels. Its output has
 * the taps as rows, and the channels of each tap side by side: a wide matrix product, in runs of channels · KW numbers.
 * Without the interleaving, the output is as small as the weight's taps, and the product is two to four times slower.
 *
 * Either each image is a group of its own, and the images' gradients are summed; or images are the channels that the
 * convolution sums over, for which dy is transposed.
 */
export const forms: { readonly [name: string]: Form } = {
  "a product for each image": {
    fits: isPointwise,
    moves: (sizes) => strided(sizes) + sizes.images * sizeOfWeight(sizes),
    emit(at, sizes, names) {
      const { images, groups, outputs, channels } = sizes;
      const dy = at.reshape("dy/planes", names.dy, [images * groups, outputs, -1]);
      const pixels = seenPixels(at, sizes, names);
      // Without rows, onnxruntime fuses the transposition into the product.
      const right = "rows" in names ? pixels : at.transpose("x/across", pixels, [0, 2, 1]);
      const products = at.step("MatMul", "products", [dy, right]);
      const byImage = at.reshape("by image", products, [images, groups * outputs, channels, 1, 1]);
      return at.emit("ReduceSum", [byImage, at.whole("images", [0])], { keepdims: { int: 0 } });
    },
  },
  "a product over all images": {
    fits: (sizes) => isPointwise(sizes) && sizes.groups === 1,
    moves: (sizes) => strided(sizes) + sizeOfSeen(sizes) + sizeOfDy(sizes),
    emit(at, sizes, names) {
      const { images, outputs, channels } = sizes;
      const planes = at.reshape("dy/planes", names.dy, [images, outputs, -1]);
      const dy = at.reshape("dy/rows", at.transpose("dy/swapped", planes, [1, 0, 2]), [outputs, -1]);
      const pixels = seenPixels(at, sizes, names);
      const isRows = "rows" in names;
      const x = isRows
        ? at.reshape("x/all", pixels, [-1, channels])
        : at.reshape("x/all", at.transpose("x/swapped", pixels, [1, 0, 2]), [channels, -1]);
      const product = at.step("Gemm", "product", [dy, x], { transB: { int: isRows ? 0 : 1 } });
      return at.emit("Reshape", [product, at.whole("shape", [outputs, channels, 1, 1])]);
    },
  },
  "a convolution by dy, a group for each image": {
    fits: () => true,
    moves: (sizes) => sizeOfX(sizes) + sizes.images * sizeOfWeight(sizes),
    emit(at, sizes, names) {
      const { images, groups, channels, size, outputs, steps } = sizes;
      const image = at.reshape("x/rows", interleaved(at, sizes, names), [
        1,
        images * groups,
        size[0],
        size[1] * channels,
      ]);
      const kernels = at.reshape("dy/kernels", names.dy, [images * groups * outputs, 1, ...steps]);
      const products = convolved(at, sizes, image, kernels, images * groups);
      const byImage = at.reshape("by image", products, [images, groups * outputs, -1]);
      const sum = at.step("ReduceSum", "sum", [byImage, at.whole("images", [0])], { keepdims: { int: 0 } });
      return tapsLast(at, sizes, sum);
    },
  },
  "a convolution by dy, images as channels": {
    fits: () => true,
    moves: (sizes) => sizeOfX(sizes) + sizeOfDy(sizes),
    emit(at, sizes, names) {
      const { images, groups, channels, size } = sizes;
      const ofImages = at.reshape("x/images", interleaved(at, sizes, names), [images, groups, -1]);
      const ofGroups = groups === 1 ? ofImages : at.transpose("x/groups", ofImages, [1, 0, 2]);
      const image = at.reshape("x/rows", ofGroups, [1, groups * images, size[0], size[1] * channels]);
      const kernels = at.transpose("dy/kernels", names.dy, [1, 0, 2, 3]);
      return tapsLast(at, sizes, convolved(at, sizes, image, kernels, groups));
    },
  },
};

/** The pixels of x that a 1×1 kernel sees: [N·G, P, C] of rows, else [N·G, C, P]. */
function seenPixels(at: NodeBuilder, { images, groups, channels, size, stride }: Sizes, names: Names): string {
  const isRows = "rows" in names;
  const range = { axes: isRows ? [1, 2] : [2, 3], starts: [0, 0], ends: size, steps: stride };
  const x = isRows ? names.rows : names.x;
  const seen = stride.some((step) => step > 1) ? at.slice("x/seen", x, range) : x;
  return at.reshape("x/pixels", seen, isRows ? [images, -1, channels] : [images * groups, channels, -1]);
}

/** x as [N·G, H, W, C]. */
function interleaved(at: NodeBuilder, { images, groups, channels, size }: Sizes, names: Names): string {
  if ("rows" in names) return names.rows;
  const planes = at.reshape("x/planes", names.x, [images * groups, channels, ...size]);
  return at.transpose("x/interleaved", planes, [0, 2, 3, 1]);
}

/**
 * The convolution by dy, in groups, of an image whose rows are interleaved. Its output has at least KH rows, and at
 * least KW · C columns.
 */
function convolved(at: NodeBuilder, sizes: Sizes, image: string, kernels: string, groups: number): string {
  const { images, channels, size, outputs, padding, stride, dilation, steps } = sizes;
  const [top, left, bottom, right] = padding;
  const attributes = {
    padding: [top, left * channels, bottom, right * channels],
    dilation: [stride[0], stride[1] * channels],
    stride: [dilation[0], 1], // columns cannot be strided by taps; they are sliced
    groups,
  } as const;
  const planes = images * sizes.groups;
  const x = { shape: [1, planes, size[0], size[1] * channels] };
  const weight = { shape: [groups * outputs, planes / groups, ...steps] };
  return at.convolve({ attributes, inputs: { x, weight } }, { x: image, weight: kernels }, "products");
}

/**
 * [O, rows · columns · C] as [O, C, KH, KW]: without the columns between the taps, and without taps that no kernel has.
 */
function tapsLast(at: NodeBuilder, sizes: Sizes, sums: string): string {
  const { groups, outputs, channels, kernel, dilation } = sizes;
  const [rows, columns] = [0, 1].map((axis) => reach(sizes, axis as 0 | 1)) as [number, number];
  const found = [Math.floor((rows - 1) / dilation[0]) + 1, columns];
  const whole = at.reshape("taps/all", sums, [groups * outputs, ...found, channels]);
  const ends = kernel.map((size, axis) => (size - 1) * [1, dilation[1]][axis]! + 1);
  const isExact = found[0] === ends[0] && found[1] === ends[1] && dilation[1] === 1;
  const range = { axes: [1, 2], starts: [0, 0], ends, steps: [1, dilation[1]] };
  const taps = isExact ? whole : at.slice("taps", whole, range);
  return at.emit("Transpose", [taps], { perm: { ints: [0, 3, 1, 2] } });
}

/** The positions of dy in the padded x, along an axis. */
function reach({ size, padding, stride, steps }: Sizes, axis: 0 | 1): number {
  return size[axis] + padding[axis] + padding[axis + 2]! - (steps[axis] - 1) * stride[axis];
}

/** The gradient of a convolution's weight; by default by the form that moves the fewest numbers. */
export function weightGradient(
  model: ModelBuilder,
  node: AnyNode & Node<"conv2dWeightGradient">,
  names: Names,
  form: Form = forms[cheapestForm(node)]!,
): string {
  return form.emit(new NodeBuilder(model, node), sizesOf(node), names);
}

function sizesOf({ attributes, inputs: { x, dy } }: AnyNode & Node<"conv2dWeightGradient">): Sizes {
  const [images = 0, channels = 0, ...size] = x.shape as readonly number[];
  const [, outputs = 0, ...steps] = dy.shape as readonly number[];
  return {
    ...attributes,
    images,
    channels: channels / attributes.groups,
    size: size as [number, number],
    outputs: outputs / attributes.groups,
    steps: steps as [number, number],
  };
}

/** The name of the form that moves the fewest numbers. */
export function cheapestForm(node: AnyNode & Node<"conv2dWeightGradient">): string {
  const sizes = sizesOf(node);
  const fitting = Object.entries(forms).filter(([, form]) => form.fits(sizes));
  return fitting.reduce((best, each) => (each[1].moves(sizes) < best[1].moves(sizes) ? each : best))[0];
}
