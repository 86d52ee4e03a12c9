import { type Numbers, sizeOf } from "@residual/core";

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

/** Numbers of a tensor on the device, zeros included. */
export function lengthOf({ images, pixels, quads }: Layout): number {
  return images * pixels * quads * 4;
}

/** Whether the device's order is the host's as well. */
export function isDense({ pixels, channels }: Layout): boolean {
  return pixels === 1 && channels % 4 === 0;
}

/** How a constant is written to the device. */
export interface Packing {
  /** Tells it from others of the same constant. */
  readonly name: string;
  readonly length: number;
  /** `to` holds zeros. */
  readonly write: (from: Numbers, to: Float32Array) => void;
}

/** [N, C, H, W] of an image, [O, C, KH, KW] of weights. */
export type Four = readonly [number, number, number, number];

/** A shape of rank 4, which core has made sure of for every convolution. */
export function four(shape: readonly number[]): Four {
  const [a, b, c, d, ...rest] = shape;
  if (a === undefined || b === undefined || c === undefined || d === undefined || rest.length > 0)
    throw new TypeError(`expected a shape of rank 4, found [${shape.join(", ")}]`);
  return [a, b, c, d];
}

/** Where a kernel reads the weights [O, C, KH, KW] of a convolution; zeros behind. */
export interface WeightOrder {
  readonly name: string;
  readonly length: number;
  /** Of the first tap. */
  readonly indexOf: (out: number, channel: number) => number;
  /** From one tap to the next. */
  readonly tap: number;
}

export function inOrder({ name, length, indexOf, tap }: WeightOrder, [o, c, kh, kw]: Four): Packing {
  const write: Packing["write"] = ({ data, gain }, to) => {
    for (let out = 0, from = 0; out < o; out++) {
      const factor = gain ? gain[out]! : 1;
      for (let k = 0; k < c; k++) {
        let into = indexOf(out, k);
        for (const end = from + kh * kw; from < end; from++, into += tap) to[into] = factor * data[from]!;
      }
    }
  };
  return { name, length, write };
}

/** In the host's order. */
export function dense(shape: readonly number[]): Packing {
  const row = sizeOf(shape.slice(1));
  const write: Packing["write"] = ({ data, gain }, to) => {
    if (gain) for (let i = 0; i < data.length; i++) to[i] = gain[Math.floor(i / row)]! * data[i]!;
    else to.set(data);
  };
  return { name: "as it is", length: sizeOf(shape), write };
}

/** In the device's order. */
export function interleaved(shape: readonly number[]): Packing {
  const layout = layoutOf(shape);
  const { images, pixels, channels, quads } = layout;
  const write: Packing["write"] = ({ data, gain }, to) => {
    for (let image = 0, from = 0; image < images; image++) {
      for (let c = 0; c < channels; c++) {
        let into = (image * quads + (c >> 2)) * pixels * 4 + (c & 3);
        const factor = gain ? gain[shape.length === 1 ? c : image]! : 1;
        for (const end = from + pixels; from < end; from++, into += 4) to[into] = factor * data[from]!;
      }
    }
  };
  return { name: "interleaved", length: lengthOf(layout), write };
}
