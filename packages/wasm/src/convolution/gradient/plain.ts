import { f32, f64, type I32, i32, type Local } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";
import { channelOf } from "../../kernels/convert.ts";
import { type Kernel, plainKernel } from "../../kernels/kernel.ts";
import { planeTask } from "../../kernels/planes.ts";
import { pixelBytes, rowBytes } from "../../layout.ts";
import { type ConvolutionLayer, formatLayer, groupOf, macsOf } from "../layer.ts";

/**
 * The gradient of any convolution with respect to x, one number after the other, summed in float64: Σ dy · weight over
 * the taps that read the pixel. `layer` is the convolution itself. A task is a channel of an image.
 */
export function plainInputGradient(layer: ConvolutionLayer): Kernel {
  const { x, y, kernel, attributes } = layer;
  const { stride, padding, dilation } = attributes;
  const { inputs, outputs } = groupOf(layer);
  const taps = kernel[0] * kernel[1];
  return plainKernel({
    name: `plain input gradient ${formatLayer(layer)}`,
    operands: ["dy", "weight", "dx"],
    tasks: (images) => images * x.channels,
    work: macsOf(layer),
    task(body, task, values) {
      const { image, quad: channel } = planeTask(body, task, x.channels);
      const group = body.let(i32.divU(channel, i32.const(inputs)));
      const within = i32.sub(channel, i32.times(group, inputs));
      const firstOutput = body.let(i32.times(group, outputs));
      const start = i32.add(i32.times(firstOutput, 4 * inputs * taps), i32.times(within, 4 * taps));
      const firstWeight = body.let(i32.add(values.weight, start));
      const to = body.let(channelOf(values.dx, x, image, channel));
      const sum = body.local("f64");
      const weight = body.local("i32");
      body.range(i32.const(0), i32.const(x.height), (h) => {
        body.range(i32.const(0), i32.const(x.width), (w) => {
          body.set(sum, f64.const(0));
          body.set(weight, firstWeight);
          body.range(firstOutput, i32.plus(firstOutput, outputs), (o) => {
            const plane = body.let(channelOf(values.dy, y, image, o));
            body.range(i32.const(0), i32.const(kernel[0]), (p) => {
              const row = readerOf(body, h, p, [stride[0], padding[0], dilation[0]]);
              body.range(i32.const(0), i32.const(kernel[1]), (q) => {
                const column = readerOf(body, w, q, [stride[1], padding[1], dilation[1]]);
                const isRead = i32.and(isReader(row, y.height, stride[0]), isReader(column, y.width, stride[1]));
                body.if(isRead, () => {
                  const offset = i32.add(i32.times(row.at, rowBytes(y)), i32.times(column.at, pixelBytes(y)));
                  body.set(sum, f64.add(sum, product(i32.add(plane, offset), weight)));
                });
                body.advance(weight, 4);
              });
            });
            body.advance(weight, 4 * (inputs - 1) * taps);
          });
          body.store(to, f32.demoteF64(sum));
          body.advance(to, pixelBytes(x));
        });
        body.advance(to, rowBytes(x) - x.width * pixelBytes(x));
      });
    },
  });
}

/** The index of the output whose tap reads a pixel, if there is one: `scaled` is `at` times the stride. */
interface Reader {
  readonly scaled: Local<"i32">;
  readonly at: Local<"i32">;
}

function readerOf(
  body: Body,
  pixel: I32,
  tap: I32,
  [stride, before, dilation]: readonly [number, number, number],
): Reader {
  const scaled = body.let(i32.sub(i32.plus(pixel, before), i32.times(tap, dilation)));
  return { scaled, at: body.let(i32.divU(scaled, i32.const(stride))) }; // of a negative number, above every size
}

function isReader({ scaled, at }: Reader, size: number, stride: number): I32 {
  return i32.and(i32.ltU(at, i32.const(size)), i32.eq(i32.times(at, stride), scaled));
}

function product(a: I32, b: I32) {
  return f64.mul(f64.promoteF32(f32.load(a)), f64.promoteF32(f32.load(b)));
}

/**
 * The gradient of any convolution with respect to its weight, one number after the other, summed in float64. `layer` is
 * the convolution itself; dw is in the host's order. A task is an output channel.
 */
export function plainWeightGradient(layer: ConvolutionLayer): Kernel {
  const { x, y, kernel, attributes } = layer;
  const { stride, padding, dilation } = attributes;
  const { inputs, outputs } = groupOf(layer);
  const taps = kernel[0] * kernel[1];
  return plainKernel({
    name: `plain weight gradient ${formatLayer(layer)}`,
    operands: ["x", "dy", "dw"],
    tasks: () => y.channels,
    work: macsOf(layer),
    task(body, task, values) {
      const output = body.let(task);
      const firstInput = body.let(i32.times(i32.divU(output, i32.const(outputs)), inputs));
      const to = body.let(i32.add(values.dw, i32.times(output, 4 * inputs * taps)));
      const sum = body.local("f64");
      body.range(firstInput, i32.plus(firstInput, inputs), (c) => {
        body.range(i32.const(0), i32.const(kernel[0]), (p) => {
          body.range(i32.const(0), i32.const(kernel[1]), (q) => {
            body.set(sum, f64.const(0));
            body.range(i32.const(0), values.images, (image) => {
              const plane = body.let(channelOf(values.x, x, image, c));
              const from = body.let(channelOf(values.dy, y, image, output));
              body.range(i32.const(0), i32.const(y.height), (i) => {
                const row = body.let(
                  i32.plus(i32.add(i32.times(i, stride[0]), i32.times(p, dilation[0])), -padding[0]),
                );
                body.range(i32.const(0), i32.const(y.width), (j) => {
                  const steps = i32.add(i32.times(j, stride[1]), i32.times(q, dilation[1]));
                  const column = body.let(i32.plus(steps, -padding[1]));
                  const isInside = i32.and(i32.ltU(row, i32.const(x.height)), i32.ltU(column, i32.const(x.width)));
                  body.if(isInside, () => {
                    const offset = i32.add(i32.times(row, rowBytes(x)), i32.times(column, pixelBytes(x)));
                    body.set(sum, f64.add(sum, product(i32.add(plane, offset), from)));
                  });
                  body.advance(from, pixelBytes(y));
                });
                body.advance(from, rowBytes(y) - y.width * pixelBytes(y));
              });
            });
            body.store(to, f32.demoteF64(sum));
            body.advance(to, 4);
          });
        });
      });
    },
  });
}
