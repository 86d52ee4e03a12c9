import { type I32, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { type ImageLayout, imageBytes, originOf, planeBytes, quadsOf, rowBytes } from "../layout.ts";

/** Position of a task that processes one plane of four channels. */
export interface PlaneTask {
  readonly image: Local<"i32">;
  /** Of channels in fours. */
  readonly quad: Local<"i32">;
}

/** Splits a task's number into image and quad. */
export function planeTask(body: Body, task: I32, quads: number | Local<"i32">): PlaneTask {
  const divisor = typeof quads === "number" ? i32.const(quads) : quads;
  const known = body.let(task);
  const image = body.let(i32.divU(known, divisor));
  const quad = body.let(i32.sub(known, i32.mul(image, divisor)));
  return { image, quad };
}

/** The address of a plane's first pixel in `quads`. */
export function planeOf(pointer: I32, layout: ImageLayout, { image, quad }: PlaneTask): I32 {
  const within = i32.add(i32.times(image, imageBytes(layout)), i32.times(quad, planeBytes(layout)));
  return i32.plus(i32.add(pointer, within), originOf(layout));
}

export interface Planes {
  readonly at: I32;
  readonly layout: ImageLayout;
  /** Rows and pixels per step. */
  readonly stride?: readonly [down: number, right: number];
}

/** The address of a pixel of four channels. */
export interface Pixel {
  readonly pointer: Local<"i32">;
  readonly offset: number;
}

export function loadPixel({ pointer, offset }: Pixel): V128 {
  return v128.load(pointer, offset);
}

export function storePixel(body: Body, { pointer, offset }: Pixel, value: V128): void {
  body.store(pointer, value, offset);
}

/** Unrolled pixels: the loop's own instructions are then a tenth of the work, instead of half. */
export const UNROLLED = 4;

/**
 * Loops over `height` rows of `width` pixels in several planes in parallel. `visit` writes the code of one pixel, given
 * its address in each plane. The code is repeated for `unrolled` pixels, numbered by `turn`.
 */
export function overPixels(
  body: Body,
  [height, width]: readonly [number, number],
  planes: readonly Planes[],
  visit: (pixels: readonly Pixel[], turn: number) => void,
  unrolled = UNROLLED,
): void {
  const steps = planes.map(({ layout, stride = [1, 1] }) => ({
    down: stride[0] * rowBytes(layout),
    right: stride[1] * 16,
  }));
  const pointers = planes.map(({ at }) => body.let(at));
  const isOneRow = steps.every(({ down, right }) => down === width * right);
  const rows = isOneRow ? 1 : height;
  const columns = isOneRow ? height * width : width;
  const turns = Math.floor(columns / unrolled);
  const visitTurns = (count: number) => {
    for (let turn = 0; turn < count; turn++)
      visit(
        pointers.map((pointer, at) => ({ pointer, offset: turn * steps[at]!.right })),
        turn,
      );
  };
  const advance = (by: (step: (typeof steps)[number]) => number) => {
    for (const [at, pointer] of pointers.entries()) body.advance(pointer, by(steps[at]!));
  };
  body.times(rows, () => {
    body.times(turns, () => {
      visitTurns(unrolled);
      advance(({ right }) => unrolled * right);
    });
    visitTurns(columns % unrolled);
    advance(({ down, right }) => down - turns * unrolled * right);
  });
}

/** One task for each plane of all images. */
export function planeTasks(layout: ImageLayout): (images: number) => number {
  return (images) => images * quadsOf(layout);
}
