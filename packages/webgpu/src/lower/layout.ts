import { sizeOf } from "@residual/core";

/**
 * How a tensor lies on the device: [images][channels / 4][pixels][4], zeros behind the last channel. What a lane loads
 * at once is four channels of a pixel, as a vec4, and what neighbouring lanes load lies together. (With all channels of
 * a pixel together the lanes are 2 KiB apart in a layer of 512 channels, all in the same few sets of the cache:
 * measured, and half as fast.) A tensor of one axis is a row of channels, one of two has one pixel.
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

/** [N, C, H, W] of an image, [O, C, KH, KW] of weights. */
export type Four = readonly [number, number, number, number];

/** A shape of rank 4, which core has made sure of for every convolution. */
export function four(shape: readonly number[]): Four {
  const [a, b, c, d, ...rest] = shape;
  if (a === undefined || b === undefined || c === undefined || d === undefined || rest.length > 0)
    throw new TypeError(`expected a shape of rank 4, found [${shape.join(", ")}]`);
  return [a, b, c, d];
}

/**
 * Where a kernel reads the weights [O, C, KH, KW] of a convolution: blocks of outputs one after the other, zeros behind
 * what there is.
 */
export interface WeightOrder {
  readonly name: string;
  /** Outputs of a block, side by side at each tap. */
  readonly block: number;
  /** Numbers of a block. */
  readonly blockLength: number;
  /** Channels of an output that lie together. */
  readonly together: 1 | 4;
  /** From so many channels to the next, and from one tap to the next. */
  readonly channels: number;
  readonly down: number;
  readonly right: number;
}

/** [O / block][KH][KW][C / together][block][together], C filled up to fours. */
export function tapByTap(
  name: string,
  shape: readonly number[],
  { block, together }: Pick<WeightOrder, "block" | "together">,
): WeightOrder {
  const [, c, kh, kw] = four(shape);
  const right = Math.ceil(c / 4) * 4 * block;
  return { name, block, blockLength: kh * kw * right, together, channels: together * block, down: kw * right, right };
}
