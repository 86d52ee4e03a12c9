import { type Constant, sizeOf } from "@residual/core";

/**
 * How a tensor lies on the device: [images][channels / 4][pixels][4], zeros behind the last channel. What a lane loads at once is
 * four channels of a pixel, as a vec4, and what neighbouring lanes load lies together. (With all channels of a pixel together the
 * lanes are 2 KiB apart in a layer of 512 channels, all in the same few sets of the cache: measured, and half as fast.) A tensor
 * of one axis is a row of channels, one of two has one pixel.
 */
export interface Layout {
  readonly images: number;
  readonly pixels: number;
  readonly channels: number;
  /** Channels in fours: of these a pixel has so many. */
  readonly quads: number;
}

export function layoutOf(shape: readonly number[]): Layout {
  const [images, channels = 1, ...rest] = shape.length === 1 ? [1, shape[0]!] : shape;
  return { images: images ?? 1, pixels: sizeOf(rest), channels, quads: Math.ceil(channels / 4) };
}

/** A constant's tensor. */
export type Numbers = Constant["tensor"];

/** Numbers of a tensor on the device, zeros included. */
export function lengthOf({ images, pixels, quads }: Layout): number {
  return images * pixels * quads * 4;
}

/** Whether the device's order is the host's as well. */
export function isDense({ pixels, channels }: Layout): boolean {
  return pixels === 1 && channels % 4 === 0;
}

/** A tensor in the device's order. */
export function interleaved({ data, shape }: Numbers): Float32Array<ArrayBuffer> {
  const layout = layoutOf(shape);
  const { images, pixels, channels, quads } = layout;
  const to = new Float32Array(lengthOf(layout));
  for (let image = 0; image < images; image++) {
    for (let c = 0; c < channels; c++) {
      const from = (image * channels + c) * pixels;
      const start = (image * quads + (c >> 2)) * pixels * 4 + (c & 3);
      for (let pixel = 0; pixel < pixels; pixel++) to[start + 4 * pixel] = data[from + pixel]!;
    }
  }
  return to;
}
