import { type I32, i32, type Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { imageBytes, type Layout, originOf, planeBytes, quadsOf, rowBytes } from "../layout.ts";

/** What a task that works on one plane of four channels knows of its place. */
export interface PlaneTask {
  readonly image: Local<"i32">;
  /** Of channels in fours. */
  readonly quad: Local<"i32">;
}

/** Splits the number of a task into an image and a quad. */
export function planeTask(body: Body, task: I32, quads: number | Local<"i32">): PlaneTask {
  const divisor = typeof quads === "number" ? i32.const(quads) : quads;
  const known = body.let(task);
  const image = body.let(i32.divU(known, divisor));
  const quad = body.let(i32.sub(known, i32.mul(image, divisor)));
  return { image, quad };
}

/** The address of a plane's first pixel in `quads`. */
export function planeOf(pointer: I32, layout: Layout, { image, quad }: PlaneTask): I32 {
  const within = i32.add(i32.times(image, imageBytes(layout)), i32.times(quad, planeBytes(layout)));
  return i32.plus(i32.add(pointer, within), originOf(layout));
}

export interface Planes {
  readonly at: I32;
  readonly layout: Layout;
  /** Rows and pixels from one step to the next. */
  readonly stride?: readonly [down: number, right: number];
}

/**
 * Goes over `height` rows of `width` pixels in several planes side by side. `visit` is given a pointer into each.
 */
export function overPixels(
  body: Body,
  [height, width]: readonly [number, number],
  planes: readonly Planes[],
  visit: (pointers: readonly Local<"i32">[]) => void,
): void {
  const steps = planes.map(({ layout, stride = [1, 1] }) => ({
    down: stride[0] * rowBytes(layout),
    right: stride[1] * 16,
  }));
  const pointers = planes.map(({ at }) => body.let(at));
  const isOneRow = steps.every(({ down, right }) => down === width * right);
  const rows = isOneRow ? 1 : height;
  const columns = isOneRow ? height * width : width;
  body.times(rows, () => {
    body.times(columns, () => {
      visit(pointers);
      for (const [at, pointer] of pointers.entries()) body.advance(pointer, steps[at]!.right);
    });
    for (const [at, pointer] of pointers.entries()) body.advance(pointer, steps[at]!.down - columns * steps[at]!.right);
  });
}

/** As many tasks as planes of all images. */
export function planeTasks(layout: Layout): (images: number) => number {
  return (images) => images * quadsOf(layout);
}
