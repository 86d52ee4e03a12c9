import { f32, type I32, i32, type Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { channelOf } from "../kernels/convert.ts";
import { type Kernel, plainKernel } from "../kernels/kernel.ts";
import { planeTask } from "../kernels/planes.ts";
import { NO_BORDER, pixelBytes, rowBytes } from "../layout.ts";
import { type ConvolutionLayer, formatLayer, groupOf, type LayerValues, macsOf, operandsOf } from "./layer.ts";
import type { Strategy } from "./strategy.ts";

/** Nanoseconds of a multiply-add. */
const COST = 2;

/**
 * Any convolution, one number of y after the other: bias + Σ x·w in natural order, with a check for each tap whether it
 * is inside the image. Tests compare the fast kernels with it. A task is a channel of an image.
 */
export function plain(layer: ConvolutionLayer): Strategy {
  return {
    name: "plain",
    wants: { order: "quads", border: NO_BORDER },
    cost: COST * macsOf(layer),
    emit: plainConvolution,
  };
}

function plainConvolution(layer: ConvolutionLayer): Kernel {
  const { y, residual, attributes } = layer;
  const { inputs, outputs } = groupOf(layer);
  const taps = inputs * layer.kernel[0] * layer.kernel[1];
  return plainKernel({
    name: `plain ${formatLayer(layer)}`,
    operands: operandsOf(layer),
    tasks: (images) => images * y.channels,
    work: macsOf(layer),
    task(body, task, values: LayerValues) {
      const { image, quad: channel } = planeTask(body, task, y.channels);
      const group = i32.divU(channel, i32.const(outputs));
      const firstInput = body.let(i32.times(group, inputs));
      const weights = body.let(i32.add(values.weight, i32.times(channel, 4 * taps)));
      const to = body.let(channelOf(values.y, y, image, channel));
      const added = residual && values.residual && body.let(channelOf(values.residual, residual, image, channel));
      const sum = body.local("f32");
      body.range(i32.const(0), i32.const(y.height), (i) => {
        body.range(i32.const(0), i32.const(y.width), (j) => {
          const bias = values.bias ? f32.load(i32.add(values.bias, i32.times(channel, 4))) : f32.const(0);
          body.set(sum, bias);
          addTaps(body, sum, layer, { x: values.x, image, firstInput, weights, i, j });
          if (added) body.set(sum, f32.add(sum, f32.load(added)));
          body.store(to, attributes.relu ? f32.select(f32.lt(sum, f32.const(0)), f32.const(0), sum) : sum);
          body.advance(to, pixelBytes(y));
          if (added && residual) body.advance(added, pixelBytes(residual));
        });
        body.advance(to, rowBytes(y) - y.width * pixelBytes(y));
        if (added && residual) body.advance(added, rowBytes(residual) - residual.width * pixelBytes(residual));
      });
    },
  });
}

interface Place {
  readonly x: I32;
  readonly image: I32;
  readonly firstInput: Local<"i32">;
  readonly weights: Local<"i32">;
  /** The pixel of y. */
  readonly i: Local<"i32">;
  readonly j: Local<"i32">;
}

function addTaps(body: Body, sum: Local<"f32">, layer: ConvolutionLayer, place: Place): void {
  const { x, kernel, attributes } = layer;
  const { stride, padding, dilation } = attributes;
  const weight = body.let(place.weights);
  body.range(place.firstInput, i32.plus(place.firstInput, groupOf(layer).inputs), (c) => {
    const plane = body.let(channelOf(place.x, x, place.image, c));
    body.range(i32.const(0), i32.const(kernel[0]), (p) => {
      const row = body.let(positionOf(place.i, p, [stride[0], padding[0], dilation[0]]));
      body.range(i32.const(0), i32.const(kernel[1]), (q) => {
        const column = body.let(positionOf(place.j, q, [stride[1], padding[1], dilation[1]]));
        const isInside = i32.and(i32.ltU(row, i32.const(x.height)), i32.ltU(column, i32.const(x.width)));
        body.if(isInside, () => {
          const offset = i32.add(i32.times(row, rowBytes(x)), i32.times(column, pixelBytes(x)));
          body.set(sum, f32.add(sum, f32.mul(f32.load(i32.add(plane, offset)), f32.load(weight))));
        });
        body.advance(weight, 4);
      });
    });
  });
}

/**
 * The offset of the pixel of x under a tap. Outside the image it is negative (very large as an unsigned number) or too
 * large.
 */
function positionOf(at: I32, tap: I32, [stride, before, dilation]: readonly [number, number, number]): I32 {
  return i32.plus(i32.add(i32.times(at, stride), i32.times(tap, dilation)), -before);
}
