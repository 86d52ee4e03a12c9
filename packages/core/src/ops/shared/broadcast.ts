import { check } from "../../ir/errors.ts";
import { formatShape, type Shape } from "../../ir/value.ts";

/**
 * Checks that `small` broadcasts to `shape`: it is a scalar, or it has the same rank, and each of its axes has size 1
 * or the size of the other's axis. PyTorch and ONNX allow missing leading axes too.
 */
export function checkBroadcast(small: Shape, shape: Shape, label: string, name: string): void {
  const fits = small.length === 0 || (small.length === shape.length && small.every((size, i) => isIn(size, shape[i])));
  check(fits, label, () => `${name} is ${formatShape(small)}, which does not broadcast to ${formatShape(shape)}`);
}

function isIn(size: Shape[number], full: Shape[number] | undefined): boolean {
  return size === 1 || size === full;
}

/** For each element of `shape`, in order: the index of the element of `small` that broadcasts to it. */
export function broadcastIndices(small: readonly number[], shape: readonly number[]): (index: number) => number {
  const size = small.reduce((product, each) => product * each, 1);
  if (size === 1) return () => 0;
  if (small.join() === shape.join()) return (index) => index;
  let step = 1;
  let stride = 1;
  const axes = shape
    .map((full, axis) => [full, small[axis]!] as const)
    .toReversed()
    .map(([full, own]) => {
      const part = { full, step, stride: own === 1 ? 0 : stride };
      step *= full;
      stride *= own;
      return part;
    });
  return (index) => {
    let at = 0;
    for (const { full, step, stride } of axes) if (stride > 0) at += (Math.floor(index / step) % full) * stride;
    return at;
  };
}
