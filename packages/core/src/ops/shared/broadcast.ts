import { check } from "../../ir/errors.ts";
import { sizeOf } from "../../ir/tensor.ts";
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

/**
 * Visits each element of `shape` in order, with the index of the element of `small` that broadcasts to it. Runs along
 * the last axis have a loop of their own, since a division for each element would take most of the time.
 */
export function eachBroadcast(
  small: readonly number[],
  shape: readonly number[],
  visit: (index: number, at: number) => void,
): void {
  const full = [1, ...shape];
  const own = small.length === 0 ? full.map(() => 1) : [1, ...small];
  const strides = own.map((size, axis) => (size === 1 ? 0 : sizeOf(own.slice(axis + 1))));
  const [run, step] = [full.at(-1)!, strides.at(-1)!];
  const counters = full.map(() => 0);
  const runs = sizeOf(full) / run;
  for (let row = 0, index = 0, at = 0; row < runs; row++) {
    for (const end = index + run, from = at; index < end; index++) visit(index, from + (index - end + run) * step);
    for (let axis = full.length - 2; axis >= 0; axis--) {
      at += strides[axis]!;
      counters[axis]!++;
      if (counters[axis]! < full[axis]!) break;
      at -= strides[axis]! * full[axis]!;
      counters[axis] = 0;
    }
  }
}

/** The shape as an attribute of expand and reshape: −1 stands for an open batch. */
export function kept(shape: Shape): readonly number[] {
  return shape.map((size) => (size === "N" ? -1 : size));
}
