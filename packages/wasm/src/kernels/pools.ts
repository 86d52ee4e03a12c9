import { f32, type I32, i32, type Local, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { formatLayout, type Layout, quadsOf, rowBytes } from "../layout.ts";
import { type Kernel, plainKernel } from "./kernel.ts";
import { overPixels, planeOf, planeTask, planeTasks } from "./planes.ts";

export interface Windows {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Pixels before the image, which no window sees. */
  readonly before: readonly [top: number, left: number];
}

/**
 * For each output and four channels: what `step` makes of the pixels under the window, and `finish` of that and their
 * number. A window that sticks out of the image sees what is inside.
 */
function pool(
  name: string,
  [x, y]: readonly [Layout, Layout],
  { window, stride, before }: Windows,
  start: number,
  step: (body: Body, sum: Local<"v128">, pixel: I32) => void,
  finish: (body: Body, sum: Local<"v128">, count: I32) => void,
): Kernel {
  const sizes = `${window.join("×")} / ${stride.join("×")} ${before.join("+")}`;
  return plainKernel({
    name: `${name} ${sizes} ${formatLayout(x)}, ${formatLayout(y)}`,
    operands: ["x", "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width * window[0] * window[1],
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const from = body.let(planeOf(values.x, x, at));
      const to = body.let(planeOf(values.y, y, at));
      const sum = body.local("v128");
      const span = (position: I32, axis: 0 | 1) => {
        const size = axis === 0 ? x.height : x.width;
        const first = body.let(i32.sub(i32.times(position, stride[axis]), i32.const(before[axis])));
        const begin = body.let(i32.maxS(first, i32.const(0)));
        const end = body.let(i32.minS(i32.plus(first, window[axis]), i32.const(size)));
        return { begin, count: body.let(i32.sub(end, begin)) };
      };
      body.range(i32.const(0), i32.const(y.height), (i) => {
        const rows = span(i, 0);
        body.range(i32.const(0), i32.const(y.width), (j) => {
          const columns = span(j, 1);
          body.set(sum, v128.const(start));
          const offset = i32.add(i32.times(rows.begin, rowBytes(x)), i32.times(columns.begin, 16));
          const pixel = body.let(i32.add(from, offset));
          body.times(rows.count, () => {
            body.times(columns.count, () => {
              step(body, sum, pixel);
              body.advance(pixel, 16);
            });
            body.advance(pixel, i32.sub(i32.const(rowBytes(x)), i32.times(columns.count, 16)));
          });
          finish(body, sum, i32.mul(rows.count, columns.count));
          body.store(to, sum);
          body.advance(to, 16);
        });
        body.advance(to, rowBytes(y) - 16 * y.width);
      });
    },
  });
}

/** The largest pixel under each window; a NaN wins. */
export function maxPool2d(x: Layout, y: Layout, windows: Windows): Kernel {
  return pool(
    "maxPool2d",
    [x, y],
    windows,
    -Infinity,
    (body, best, pixel) => body.set(best, v128.max(best, v128.load(pixel))),
    () => {},
  );
}

/** The mean of the pixels under each window that are inside the image. */
export function averagePool2d(x: Layout, y: Layout, windows: Windows): Kernel {
  return pool(
    "averagePool2d",
    [x, y],
    windows,
    0,
    (body, sum, pixel) => body.set(sum, v128.add(sum, v128.load(pixel))),
    (body, sum, count) => body.set(sum, v128.div(sum, v128.splat(f32.convertI32(count)))),
  );
}

/** The mean of each channel. */
export function globalAveragePool(x: Layout, y: Layout): Kernel {
  return plainKernel({
    name: `globalAveragePool ${formatLayout(x)}, ${formatLayout(y)}`,
    operands: ["x", "y"],
    tasks: planeTasks(y),
    work: x.channels * x.height * x.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const sum = body.local("v128");
      body.set(sum, v128.const(0));
      overPixels(body, [x.height, x.width], [{ at: planeOf(values.x, x, at), layout: x }], ([pixel]) =>
        body.set(sum, v128.add(sum, v128.load(pixel!))),
      );
      body.store(planeOf(values.y, y, at), v128.div(sum, v128.const(x.height * x.width)));
    },
  });
}
