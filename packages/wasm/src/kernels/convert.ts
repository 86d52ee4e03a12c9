import { f32, type I32, i32, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import {
  formatLayout,
  type ImageLayout,
  imageBytes,
  originOf,
  pixelBytes,
  planeBytes,
  quadsOf,
  rowBytes,
} from "../layout.ts";
import { type Kernel, phase, plainKernel } from "./kernel.ts";
import { loadPixel, overPixels, planeOf, planeTask, planeTasks, storePixel } from "./planes.ts";
import { hostFromQuads, pixelsFromHost, quadsFromHost } from "./transpose.ts";

/** The address of a channel's first pixel. */
export function channelOf(pointer: I32, layout: ImageLayout, image: I32, channel: I32): I32 {
  const start = i32.plus(i32.add(pointer, i32.times(image, imageBytes(layout))), originOf(layout));
  switch (layout.order) {
    case "host":
      return i32.add(start, i32.times(channel, planeBytes(layout)));
    case "pixels":
      return i32.add(start, i32.times(channel, 4));
    case "quads": {
      const quad = i32.shrU(channel, i32.const(2));
      const lane = i32.and(channel, i32.const(3));
      return i32.add(i32.add(start, i32.times(quad, planeBytes(layout))), i32.times(lane, 4));
    }
  }
}

/** Copies a channel's pixels, one by one. */
function copyChannel(body: Body, x: { at: I32; layout: ImageLayout }, y: { at: I32; layout: ImageLayout }): void {
  const from = body.let(x.at);
  const to = body.let(y.at);
  const { height, width } = x.layout;
  body.times(height, () => {
    body.times(width, () => {
      body.store(to, f32.load(from));
      body.advance(from, pixelBytes(x.layout));
      body.advance(to, pixelBytes(y.layout));
    });
    body.advance(from, rowBytes(x.layout) - width * pixelBytes(x.layout));
    body.advance(to, rowBytes(y.layout) - width * pixelBytes(y.layout));
  });
}

/** The same numbers in another layout. The border is not written. */
export function convert(x: ImageLayout, y: ImageLayout): Kernel {
  const name = `convert ${formatLayout(x)}, ${formatLayout(y)}`;
  if (x.order === "quads" && y.order === "quads") return moveQuads(x, y);
  if (x.order === "host" && y.order === "quads") return quadsFromHost(name, y, imageBytes(x));
  if (x.order === "quads" && y.order === "host") return hostFromQuads(name, x, imageBytes(y));
  if (x.order === "host" && y.order === "pixels" && y.channels === 3) return pixelsFromHost(name, y);
  return byChannels(name, x, y);
}

/** Converts between any two orders. A task is a channel of an image. */
function byChannels(name: string, x: ImageLayout, y: ImageLayout): Kernel {
  const { channels } = x;
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: (images) => images * channels,
    work: channels * x.height * x.width,
    task(body, task, values) {
      const { image, quad: channel } = planeTask(body, task, channels);
      copyChannel(
        body,
        { at: channelOf(values.x, x, image, channel), layout: x },
        { at: channelOf(values.y, y, image, channel), layout: y },
      );
    },
  });
}

/** Copies into a layout with another border. */
function moveQuads(x: ImageLayout, y: ImageLayout): Kernel {
  return strided("move", x, y, [1, 1]);
}

/** Every stride-th pixel. */
export function subsample(x: ImageLayout, y: ImageLayout, stride: readonly [number, number]): Kernel {
  return strided(`subsample ${stride.join("×")}`, x, y, stride);
}

function strided(name: string, x: ImageLayout, y: ImageLayout, stride: readonly [number, number]): Kernel {
  return plainKernel({
    name: `${name} ${formatLayout(x)}, ${formatLayout(y)}`,
    operands: ["x", "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const planes = [
        { at: planeOf(values.x, x, at), layout: x, stride },
        { at: planeOf(values.y, y, at), layout: y },
      ];
      overPixels(body, [y.height, y.width], planes, ([from, to]) => storePixel(body, to!, loadPixel(from!)));
    },
  });
}

/** All of an image's numbers in one row: from quads to quads of one pixel, which have the host's order. */
export function flatten(x: ImageLayout, y: ImageLayout): Kernel {
  return hostFromQuads(`flatten ${formatLayout(x)}, ${formatLayout(y)}`, x, imageBytes(y));
}

/** Channels of zeros before and behind those of x. */
export function padChannels(x: ImageLayout, y: ImageLayout, before: number): Kernel {
  const name = `padChannels ${before} ${formatLayout(x)}, ${formatLayout(y)}`;
  return before % 4 === 0 && x.channels % 4 === 0
    ? padQuads(name, x, y, before / 4)
    : padByChannels(name, x, y, before);
}

/** x without its first channels, and without those behind the channels of y. */
export function sliceChannels(x: ImageLayout, y: ImageLayout, before: number): Kernel {
  const name = `sliceChannels ${before} ${formatLayout(x)}, ${formatLayout(y)}`;
  const isWhole = before % 4 === 0;
  const { channels, height, width } = y;
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: isWhole ? planeTasks(y) : (images) => images * channels,
    work: channels * height * width,
    task(body, task, values) {
      if (!isWhole) {
        const { image, quad: channel } = planeTask(body, task, channels);
        const from = channelOf(values.x, x, image, i32.plus(channel, before));
        copyChannel(body, { at: from, layout: x }, { at: channelOf(values.y, y, image, channel), layout: y });
        return;
      }
      const at = planeTask(body, task, quadsOf(y));
      const quad = body.let(i32.plus(at.quad, before / 4));
      const planes = [
        { at: planeOf(values.x, x, { image: at.image, quad }), layout: x },
        { at: planeOf(values.y, y, at), layout: y },
      ];
      overPixels(body, [height, width], planes, ([from, to]) => storePixel(body, to!, loadPixel(from!)));
    },
  });
}

/** For channels in multiples of four: a task copies or clears four channels. */
function padQuads(name: string, x: ImageLayout, y: ImageLayout, before: number): Kernel {
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const to = { at: planeOf(values.y, y, at), layout: y };
      const quad = body.let(i32.plus(at.quad, -before));
      const from = { at: planeOf(values.x, x, { image: at.image, quad }), layout: x };
      const size = [y.height, y.width] as const;
      body.if(
        i32.ltU(quad, i32.const(quadsOf(x))),
        () => overPixels(body, size, [from, to], ([pixel, into]) => storePixel(body, into!, loadPixel(pixel!))),
        () => overPixels(body, size, [to], ([into]) => storePixel(body, into!, v128.const(0))),
      );
    },
  });
}

/** A task is a channel of y. */
function padByChannels(name: string, x: ImageLayout, y: ImageLayout, before: number): Kernel {
  return plainKernel({
    name,
    operands: ["x", "y"],
    tasks: (images) => images * y.channels,
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const { image, quad: channel } = planeTask(body, task, y.channels);
      const to = { at: channelOf(values.y, y, image, channel), layout: y };
      const source = body.let(i32.plus(channel, -before));
      body.if(
        i32.ltU(source, i32.const(x.channels)),
        () => copyChannel(body, { at: channelOf(values.x, x, image, source), layout: x }, to),
        () => clearChannel(body, to),
      );
    },
  });
}

function clearChannel(body: Body, { at, layout }: { at: I32; layout: ImageLayout }): void {
  const to = body.let(at);
  body.times(layout.height, () => {
    body.times(layout.width, () => {
      body.store(to, f32.const(0));
      body.advance(to, pixelBytes(layout));
    });
    body.advance(to, rowBytes(layout) - layout.width * pixelBytes(layout));
  });
}

/** Pixels of zeros around an image: x is copied into the middle of y, whose own pixels include the padding. */
export function zeroPad2d(x: ImageLayout, y: ImageLayout, [top, left]: readonly [number, number]): Kernel {
  return plainKernel({
    name: `zeroPad2d ${top}+${left} ${formatLayout(x)}, ${formatLayout(y)}`,
    operands: ["x", "y"],
    tasks: planeTasks(y),
    work: y.channels * y.height * y.width,
    task(body, task, values) {
      const at = planeTask(body, task, quadsOf(y));
      const to = body.let(planeOf(values.y, y, at));
      overPixels(body, [y.height, y.width], [{ at: to, layout: y }], ([into]) =>
        storePixel(body, into!, v128.const(0)),
      );
      const middle = { at: i32.plus(to, top * rowBytes(y) + left * 16), layout: y };
      overPixels(body, [x.height, x.width], [{ at: planeOf(values.x, x, at), layout: x }, middle], ([from, into]) =>
        storePixel(body, into!, loadPixel(from!)),
      );
    },
  });
}

/** Zeros in the border of an image. A task is a plane. */
export function border(y: ImageLayout): Kernel {
  const planes = y.order === "pixels" ? 1 : quadsOf(y);
  const [top, left, bottom, right] = y.border;
  const [row, pixel] = [rowBytes(y), pixelBytes(y)];
  return {
    name: `border ${formatLayout(y)}`,
    operands: ["y"],
    work: planeBytes(y) / 4,
    phases: (images) => [{ function: "run", tasks: images * planes }],
    define(module) {
      phase(module, "run", ["y"], (body, { y: pointer, first, end }) => {
        body.range(first, end, (task) => {
          const at = body.let(i32.add(pointer, i32.times(task, planeBytes(y))));
          if (top > 0) body.clear(at, i32.const(top * row));
          if (bottom > 0) body.clear(i32.plus(at, (top + y.height) * row), i32.const(bottom * row));
          body.advance(at, top * row);
          if (left + right > 0)
            body.times(y.height, () => {
              clear(body, at, 0, left * pixel);
              clear(body, at, (left + y.width) * pixel, right * pixel);
              body.advance(at, row);
            });
        });
      });
    },
  };
}

/** Zeros in a few bytes, a multiple of 4, starting at `offset`: stores are cheaper than a call of `memory.fill`. */
function clear(body: Body, pointer: I32, offset: number, bytes: number): void {
  const vectors = Math.floor(bytes / 16);
  for (let at = 0; at < vectors; at++) body.store(pointer, v128.const(0), offset + 16 * at);
  for (let at = 16 * vectors; at < bytes; at += 4) body.store(pointer, f32.const(0), offset + at);
}
