import { sizeOf } from "@residual/core";

/**
 * The sizes of a tensor in the device's order, [images][channels / 4][pixels][4], with zeros after the last channel. A
 * lane loads four channels of a pixel as one vec4, and neighbouring lanes load consecutive vec4s. A tensor of one axis
 * is a row of channels. A tensor of two axes has one pixel.
 *
 * The order [images][pixels][channels] was measured to be half as fast: in a layer of 512 channels, lanes load at
 * distances of 2 KiB, which fall into a few sets of the cache.
 */
export interface Layout {
  readonly images: number;
  readonly pixels: number;
  readonly channels: number;
  /** The number of quads: four channels each, the last padded with zeros. */
  readonly quads: number;
}

export function layoutOf(shape: readonly number[]): Layout {
  const [images, channels = 1, ...rest] = shape.length === 1 ? [1, shape[0]!] : shape;
  return { images: images ?? 1, pixels: sizeOf(rest), channels, quads: Math.ceil(channels / 4) };
}

/** The count of a tensor's numbers on the device, including the zeros. */
export function lengthOf({ images, pixels, quads }: Layout): number {
  return images * pixels * quads * 4;
}

/** Whether the device's order equals the host's. */
export function isDense({ pixels, channels }: Layout): boolean {
  return pixels === 1 && channels % 4 === 0;
}

/** [N, C, H, W] of images, or [O, C, KH, KW] of weights. */
export type Four = readonly [number, number, number, number];

/** A shape of rank 4. Throws TypeError for another rank, which core rejects for every convolution. */
export function four(shape: readonly number[]): Four {
  const [a, b, c, d, ...rest] = shape;
  if (a === undefined || b === undefined || c === undefined || d === undefined || rest.length > 0)
    throw new TypeError(`expected a shape of rank 4, found [${shape.join(", ")}]`);
  return [a, b, c, d];
}

/**
 * The order in which a kernel reads the weights [O, C, KH, KW] of a convolution: blocks of outputs, padded with zeros.
 */
export interface WeightOrder {
  readonly name: string;
  /** The outputs of a block. They are consecutive at each tap. */
  readonly block: number;
  /** The numbers of a block. */
  readonly blockLength: number;
  /** The number of consecutive channels of an output. */
  readonly together: 1 | 4;
  /** The distance, in numbers, from `together` channels to the next. */
  readonly channels: number;
  /** The distance from a tap to the tap below it. */
  readonly down: number;
  /** The distance from a tap to the tap at its right. */
  readonly right: number;
}

/** The order [O / block][KH][KW][C / together][block][together], with C padded to a multiple of four. */
export function tapByTap(
  name: string,
  shape: readonly number[],
  { block, together }: Pick<WeightOrder, "block" | "together">,
): WeightOrder {
  const [, c, kh, kw] = four(shape);
  const right = Math.ceil(c / 4) * 4 * block;
  return { name, block, blockLength: kh * kw * right, together, channels: together * block, down: kw * right, right };
}
