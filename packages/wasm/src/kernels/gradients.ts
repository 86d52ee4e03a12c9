import { f32, type I32, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type ImageLayout, quadsOf, rowBytes } from "../layout.ts";
import type { Elementwise } from "./elementwise.ts";
import { type Kernel, plainKernel } from "./kernel.ts";
import { loadPixel, overPixels, planeOf, planeTask, planeTasks, storePixel } from "./planes.ts";
import type { Windows } from "./pools.ts";
import { reciprocalRoot } from "./sums.ts";

/** dy where y > 0 or y is NaN, 0 where y ≤ 0. */
export const reluGradient: Elementwise = {
  name: "reluGradient",
  make: (_, [y, dy]) => v128.andNot(dy!, v128.le(y!, v128.const(0))),
};

/** Pixels of zeros between those of dy: dy's pixels are `stride` apart in y, which ends with any number of zeros. */
export function subsampleGradient(dy: ImageLayout, y: ImageLayout, stride: readonly [number, number]): Kernel {
  return plainKernel({
    name: `subsampleGradient ${stride.join("×")} ${formatLayout(dy)}, ${formatLayout(y)}`,
    operands: ["dy", "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const to = body.let(planeOf(values.y, y, at));
      clearPlane(body, to, y);
      const planes = [
        { at: planeOf(values.dy, dy, at), layout: dy },
        { at: to, layout: y, stride },
      ];
      overPixels(body, [dy.height, dy.width], planes, ([from, into]) => storePixel(body, into!, loadPixel(from!)));
    },
  });
}

function clearPlane(body: Body, at: I32, layout: ImageLayout): void {
  const { height, width } = layout;
  overPixels(body, [height, width], [{ at, layout }], ([pixel]) => storePixel(body, pixel!, v128.const(0)));
}

/** A window in a loop over the windows of a plane: its pixels inside the image. */
interface Window {
  /** The first pixel inside, as an offset in bytes. */
  readonly offset: Local<"i32">;
  readonly rows: Local<"i32">;
  readonly columns: Local<"i32">;
  /** The vector of dy. */
  readonly dy: Local<"v128">;
}

/** Visits the windows of a plane in order. */
function overWindows(
  body: Body,
  { image, dy, windows }: { readonly image: ImageLayout; readonly dy: ImageLayout; readonly windows: Windows },
  start: I32,
  visit: (window: Window) => void,
): void {
  const { window, stride, before } = windows;
  const span = (index: Local<"i32">, axis: 0 | 1) => {
    const first = body.let(i32.plus(i32.times(index, stride[axis]), -before[axis]));
    const begin = body.let(i32.maxS(first, i32.const(0)));
    const size = axis === 0 ? image.height : image.width;
    const end = i32.minS(i32.plus(first, window[axis]), i32.const(size));
    return { begin, count: body.let(i32.sub(end, begin)) };
  };
  const from = body.let(start);
  const slope = body.local("v128");
  const offset = body.local("i32");
  body.range(i32.const(0), i32.const(dy.height), (row) => {
    const high = span(row, 0);
    body.range(i32.const(0), i32.const(dy.width), (column) => {
      const wide = span(column, 1);
      body.set(offset, i32.add(i32.times(high.begin, rowBytes(image)), i32.times(wide.begin, 16)));
      body.set(slope, v128.load(from));
      visit({ offset, rows: high.count, columns: wide.count, dy: slope });
      body.advance(from, 16);
    });
    body.advance(from, rowBytes(dy) - 16 * dy.width);
  });
}

/** Visits the pixels of a window in order, as offsets from the plane's first pixel. */
function overWindow(
  body: Body,
  image: ImageLayout,
  { offset, rows, columns }: Window,
  visit: (pixel: Local<"i32">) => void,
): void {
  const pixel = body.let(offset);
  body.times(rows, () => {
    body.times(columns, () => {
      visit(pixel);
      body.advance(pixel, 16);
    });
    body.advance(pixel, i32.sub(i32.const(rowBytes(image)), i32.times(columns, 16)));
  });
}

/**
 * The gradient of a max pool, four channels at a time: each window's dy goes to its first largest pixel, or to its
 * first NaN. A task is a plane, whose windows are processed in order.
 */
export function maxPool2dGradient(x: ImageLayout, dy: ImageLayout, y: ImageLayout, windows: Windows): Kernel {
  const { window, stride, before } = windows;
  const sizes = `${window.join("×")} / ${stride.join("×")} ${before.join("+")}`;
  return plainKernel({
    name: `maxPool2dGradient ${sizes} ${[x, dy, y].map(formatLayout).join(", ")}`,
    operands: ["x", "dy", "y"],
    tasks: planeTasks(y),
    work: 2 * y.channels * dy.height * dy.width * window[0] * window[1],
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const from = body.let(planeOf(values.x, x, at));
      const to = body.let(planeOf(values.y, y, at));
      clearPlane(body, to, y);
      const [largest, open, value, wins] = [0, 1, 2, 3].map(() => body.local("v128")) as [
        Vector,
        Vector,
        Vector,
        Vector,
      ];
      overWindows(body, { image: x, dy, windows }, planeOf(values.dy, dy, at), (each) => {
        body.set(largest, v128.const(-Infinity));
        overWindow(body, x, each, (pixel) => body.set(largest, v128.max(largest, v128.load(i32.add(from, pixel)))));
        body.set(open, v128.eq(v128.const(0), v128.const(0))); // lanes without a winner yet
        inBoth(body, { x, y }, each, (read, written) => {
          body.set(value, v128.load(i32.add(from, read)));
          const isLargest = v128.or(v128.eq(value, largest), v128.ne(value, value));
          body.set(wins, v128.and(isLargest, open));
          const pixel = body.let(i32.add(to, written));
          body.store(pixel, v128.add(v128.load(pixel), v128.and(each.dy, wins)));
          body.set(open, v128.andNot(open, wins));
        });
      });
    },
  });
}

type Vector = Local<"v128">;

/** Visits the pixels of a window of x in order, with the offset of the same pixel of y. */
function inBoth(
  body: Body,
  { x, y }: { readonly x: ImageLayout; readonly y: ImageLayout },
  window: Window,
  visit: (read: Local<"i32">, written: Local<"i32">) => void,
): void {
  const gap = rowBytes(y) - rowBytes(x); // rows of x and y have the same pixels, but other borders
  const row = i32.divU(window.offset, i32.const(rowBytes(x)));
  const read = body.let(window.offset);
  const written = body.let(i32.add(window.offset, i32.times(row, gap)));
  body.times(window.rows, () => {
    body.times(window.columns, () => {
      visit(read, written);
      body.advance(read, 16);
      body.advance(written, 16);
    });
    const back = i32.times(window.columns, 16);
    body.advance(read, i32.sub(i32.const(rowBytes(x)), back));
    body.advance(written, i32.sub(i32.const(rowBytes(y)), back));
  });
}

/** The gradient of an average pool: each pixel of a window gets an equal part of its dy. A task is a plane. */
export function averagePool2dGradient(dy: ImageLayout, y: ImageLayout, windows: Windows): Kernel {
  const { window, stride } = windows;
  return plainKernel({
    name: `averagePool2dGradient ${window.join("×")} / ${stride.join("×")} ${[dy, y].map(formatLayout).join(", ")}`,
    operands: ["dy", "y"],
    tasks: planeTasks(y),
    work: y.channels * dy.height * dy.width * window[0] * window[1],
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const to = body.let(planeOf(values.y, y, at));
      clearPlane(body, to, y);
      const part = body.local("v128");
      overWindows(body, { image: y, dy, windows }, planeOf(values.dy, dy, at), (each) => {
        const pixels = v128.splat(f32.convertI32(i32.mul(each.rows, each.columns)));
        body.set(part, v128.div(each.dy, pixels));
        overWindow(body, y, each, (pixel) => {
          const address = body.let(i32.add(to, pixel));
          body.store(address, v128.add(v128.load(address), part));
        });
      });
    },
  });
}

const vectors = ["scale", "mean", "variance", "scaleGradient", "shiftGradient"] as const;

/** scale · r · (dy − shiftGradient / count − (x − mean) · r · scaleGradient / count), r = 1 / √(variance + epsilon) */
export function batchNormInputGradient(
  x: ImageLayout,
  dy: ImageLayout,
  y: ImageLayout,
  { epsilon, count }: { readonly epsilon: number; readonly count: number },
): Kernel {
  return plainKernel({
    name: `batchNormInputGradient ${epsilon} ${count} ${[x, dy, y].map(formatLayout).join(", ")}`,
    operands: ["x", "dy", ...vectors, "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const offset = body.let(i32.times(at.quad, 16));
      const of = (vector: (typeof vectors)[number]): V128 => v128.load(i32.add(values[vector], offset));
      const root = reciprocalRoot(body, of("variance"), epsilon);
      const mean = body.let(of("mean"));
      const gain = body.let(v128.mul(of("scale"), root));
      const share = v128.const(1 / count);
      const shift = body.let(v128.mul(of("shiftGradient"), share));
      const slope = body.let(v128.mul(v128.mul(gain, root), v128.mul(of("scaleGradient"), share)));
      const planes = [
        { at: planeOf(values.x, x, at), layout: x },
        { at: planeOf(values.dy, dy, at), layout: dy },
        { at: planeOf(values.y, y, at), layout: y },
      ];
      overPixels(body, [y.height, y.width], planes, ([value, from, to]) => {
        const own = v128.mul(v128.sub(loadPixel(from!), shift), gain);
        storePixel(body, to!, v128.sub(own, v128.mul(v128.sub(loadPixel(value!), mean), slope)));
      });
    },
  });
}
