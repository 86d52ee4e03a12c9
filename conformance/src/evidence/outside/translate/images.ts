import { ops, sizeOf } from "@residual/core";
import { filled, permuted, viewed } from "../operand.ts";
import { constraint, noAttribute } from "../refusal.ts";
import type { BatchNormRequest, Conv2dRequest, PoolRequest, SoftmaxRequest } from "../request.ts";
import { around, axisOf, type Leaf, type Translation } from "./translation.ts";

export function conv2d({ x, weight, bias, ...options }: Conv2dRequest, leaf: Leaf): Translation {
  const { stride, padding, dilation, groups } = options;
  const inputs = { x: leaf(x), weight: leaf(weight), bias: bias && leaf(bias) };
  return { y: ops.conv2d(inputs, { stride, padding, dilation, groups }) };
}

/** A window over the whole image is a global pool. */
export function pool(request: PoolRequest, leaf: Leaf): Translation {
  if (Math.max(...request.dilation) > 1) {
    const op = request.of === "max" ? "maxPool2d" : "averagePool2d";
    return noAttribute(op, "dilation", "dilated pool: ours is dense");
  }
  return request.of === "max" ? maxPool(request, leaf) : averagePool(request, leaf);
}

/** Windows read −∞ in the padding and beyond it. So rounding up equals padding at the bottom and right. */
function maxPool({ x, window = image(x.shape), stride, padding, size }: PoolRequest, leaf: Leaf): Translation {
  const options = { window, stride, padding: reaching(padding, x.shape, window, stride, size) };
  const [top, left, bottom, right] = options.padding;
  if (Math.max(top, bottom) > window[0] / 2 || Math.max(left, right) > window[1] / 2) {
    const apply = () => ops.maxPool2d({ x: leaf(x) }, options);
    return constraint("maxPool2d.C2", apply, "max pool padded by more than half of its window: ours refuses it");
  }
  return { y: ops.maxPool2d({ x: leaf(x) }, options) };
}

function averagePool({ x, window, stride, padding, size }: PoolRequest, leaf: Leaf): Translation {
  if (!window) return { y: ops.globalAveragePool({ x: leaf(x) }) };
  const because = "average pool with padding that does not count: ours is without padding";
  if (Math.max(padding[0], padding[1]) > 0) return noAttribute("averagePool2d", "padding", because);
  const floor = ops.averagePool2d({ x: leaf(x) }, { window, stride });
  if (floor.shape.slice(2).join() === size.join()) return { y: floor };
  const ceil = ops.averagePool2d({ x: leaf(x) }, { window, stride, ceil: true });
  if (ceil.shape.slice(2).join() === size.join()) return { y: ceil };
  return noAttribute("averagePool2d", "padding", because);
}

function image(shape: readonly number[]): readonly [number, number] {
  return [shape[2]!, shape[3]!];
}

/** The padding at the bottom and right that gives the output size of the recorded answer. */
function reaching(
  [top, left, bottom, right]: PoolRequest["padding"],
  shape: readonly number[],
  window: readonly [number, number],
  stride: readonly [number, number],
  [height, width]: readonly [number, number],
): [number, number, number, number] {
  const down = (height - 1) * stride[0] + window[0] - shape[2]! - top;
  const across = (width - 1) * stride[1] + window[1] - shape[3]! - left;
  return [top, left, Math.max(bottom, down), Math.max(right, across)];
}

/** Row-major numbers can be viewed as [before, C, after, 1], for any axis C. */
export function batchNorm(request: BatchNormRequest, leaf: Leaf): Translation {
  const { x, mean, variance, epsilon } = request;
  if (request.training)
    return noAttribute("batchNorm", "training", "batch norm that gathers statistics: ours is given them");
  const [before, channels, after] = around(x.shape, request.axis);
  const native = x.shape.length === 4 && request.axis === 1;
  const { scale = filled([channels], 1), shift = filled([channels], 0) } = request;
  const y = ops.batchNorm(
    {
      x: leaf(native ? x : viewed(x, [before, channels, after, 1])),
      scale: leaf(scale),
      shift: leaf(shift),
      mean: leaf(mean),
      variance: leaf(variance),
    },
    { epsilon },
  );
  return { y };
}

/** Moves the axis to the end. All other axes become rows. */
export function softmax({ x, axis }: SoftmaxRequest, leaf: Leaf): Translation {
  const sizes = around(x.shape, axisOf(axis, x.shape.length));
  const last = permuted(viewed(x, sizes), [0, 2, 1]);
  const y = ops.softmax({ x: leaf(viewed(last, [sizeOf(x.shape) / sizes[1], sizes[1]])) });
  return { y, layout: (expected) => permuted(viewed(expected, sizes), [0, 2, 1]) };
}
