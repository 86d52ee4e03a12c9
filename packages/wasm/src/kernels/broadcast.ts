import { sizeOf } from "@residual/core";
import { f32, f64, type I32, i32, type Local, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { type Kernel, plainKernel } from "./kernel.ts";

/** Two shapes of which the smaller broadcasts to the larger. An open batch counts as 2 images. */
export interface Shapes {
  /** A scalar, or of the rank of `large` with the same size or 1 on each axis. */
  readonly small: readonly number[];
  readonly large: readonly number[];
  /** Whether the first size of `large` is open. */
  readonly isOpen: boolean;
}

/** An axis of two tensors in the host's order. */
interface Axis {
  readonly size: number;
  readonly isOpen: boolean;
  /** Numbers from one index to the next, in each tensor. 0 in the smaller one where it repeats, or is a sum. */
  readonly small: number;
  readonly large: number;
}

/** The axes, from the outermost; neighbours that one loop covers are merged. An open axis is not. */
function axesOf({ small, large, isOpen }: Shapes): readonly Axis[] {
  const own = small.length === 0 ? large.map(() => 1) : small;
  const merged: Axis[] = [];
  for (const [at, size] of large.entries()) {
    if (size === 1) continue;
    const step = own[at] === 1 ? 0 : sizeOf(own.slice(at + 1));
    const axis = { size, isOpen: isOpen && at === 0, small: step, large: sizeOf(large.slice(at + 1)) };
    const last = merged.at(-1);
    if (last && !last.isOpen && last.small === size * step)
      merged[merged.length - 1] = { ...axis, size: last.size * size };
    else merged.push(axis);
  }
  return merged;
}

const ONE: Axis = { size: 1, isOpen: false, small: 0, large: 0 };

/** The sizes of a kernel's axes, as a text. */
function shown(axes: readonly Axis[]): string {
  return axes.map(({ size, isOpen, small, large }) => `${isOpen ? "N" : size}@${small}@${large}`).join("×");
}

/** The axis whose indices are the tasks of `expand`: the outermost, if there are others. */
function outerOfExpand(axes: readonly Axis[]): readonly [Axis, readonly Axis[]] {
  const [first, ...others] = axes;
  return first && (others.length > 0 || first.isOpen) ? [first, others] : [ONE, axes];
}

/** A kernel and the images of its steps: tasks of a fixed number, or the open batch. */
export interface Broadcast {
  readonly kernel: Kernel;
  readonly images: number | "N";
}

/** x repeated to a larger shape; both are in the host's order. A task is an index of the outermost axis. */
export function expand(shapes: Shapes): Broadcast {
  const [outer, inner] = outerOfExpand(axesOf(shapes));
  const numbers = inner.reduce((product, { size }) => product * size, 1);
  const kernel = plainKernel({
    name: `expand ${shown([{ ...outer, size: 1 }, ...inner])}`,
    operands: ["x", "y"],
    tasks: (images) => images,
    work: numbers,
    task(body, task, { x, y }) {
      const index = body.let(task);
      const from = i32.add(x, i32.times(index, 4 * outer.small));
      const to = body.let(i32.add(y, i32.times(index, 4 * numbers)));
      repeat(body, inner, from, to);
    },
  });
  return { kernel, images: outer.isOpen ? "N" : outer.size };
}

/** Writes the numbers of all axes. */
function repeat(body: Body, [axis, ...inner]: readonly Axis[], start: I32, to: Local<"i32">): void {
  if (!axis) {
    body.store(to, f32.load(start));
    body.advance(to, 4);
    return;
  }
  const { size, small } = axis;
  const from = body.let(start);
  if (inner.length > 0 || small > 1) {
    body.times(size, () => {
      repeat(body, inner, from, to);
      body.advance(from, 4 * small);
    });
    return;
  }
  body.times(Math.floor(size / 4), () => {
    body.store(to, small === 0 ? v128.loadSplat(from) : v128.load(from));
    body.advance(from, 16 * small);
    body.advance(to, 16);
  });
  for (let at = 0; at < size % 4; at++) body.store(to, f32.load(from, 4 * at * small), 4 * at);
  body.advance(to, 4 * (size % 4));
}

/**
 * The sum of x over the axes where the smaller shape has the size 1; both are in the host's order. Summed in float64,
 * in order, and rounded once. A task is an index of the outermost axis that is kept.
 */
export function sum(shapes: Shapes): Broadcast {
  const axes = axesOf(shapes);
  const [outer = ONE, ...kept] = axes.filter(({ small }) => small > 0);
  const summed = axes.filter(({ small }) => small === 0);
  const isOpenSum = summed.some(({ isOpen }) => isOpen);
  const tasks = outer.size;
  const kernel = plainKernel({
    name: `sum ${shown([{ ...outer, size: isOpenSum ? tasks : 1 }, ...kept])} of ${shown(summed)}`,
    operands: ["x", "y"],
    tasks: (images) => (isOpenSum ? tasks : images),
    work: axes.reduce((product, { size }) => product * size, 1) / tasks,
    task(body, task, { x, y, images }) {
      const index = body.let(task);
      const value = body.local("f64");
      const countOf = ({ isOpen, size }: Axis) => (isOpen ? images : size);
      const add = ([axis, ...others]: readonly Axis[], start: I32): void => {
        if (!axis) {
          body.set(value, f64.add(value, f64.promoteF32(f32.load(start))));
          return;
        }
        const from = body.let(start);
        body.times(countOf(axis), () => {
          add(others, from);
          body.advance(from, 4 * axis.large);
        });
      };
      const overKept = ([axis, ...others]: readonly Axis[], start: I32, target: I32): void => {
        if (!axis) {
          body.set(value, f64.const(0));
          add(summed, start);
          body.store(target, f32.demoteF64(value));
          return;
        }
        const [from, to] = [body.let(start), body.let(target)];
        body.times(axis.size, () => {
          overKept(others, from, to);
          body.advance(from, 4 * axis.large);
          body.advance(to, 4 * axis.small);
        });
      };
      const at = (pointer: I32, step: number) => i32.add(pointer, i32.times(index, 4 * step));
      overKept(kept, at(x, outer.large), at(y, outer.small));
    },
  });
  return { kernel, images: outer.isOpen || isOpenSum ? "N" : outer.size };
}
