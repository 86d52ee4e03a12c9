import { type RealArray, sizeOf } from "@residual/core";

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

/** How a constant is written to the device, in blocks of its first axis, so that one that is large can be written in parts. */
export interface Packing {
  /** Tells it from others of the same constant. */
  readonly name: string;
  readonly length: number;
  /** How many along the first axis a block takes; the last may be short of some. */
  readonly block: number;
  /** Parts of the device's memory of equal length. Each block has an equal share in each plane; a plane holds them in order. */
  readonly planes: number;
  /** Whether `write` computes with the numbers, which are then wanted unrounded; else it moves them. */
  readonly computes?: true;
  /** Packs the numbers of whole blocks: their shares in the first plane, then in the next. Every number of `to` is written. */
  readonly write: (from: RealArray, to: Float32Array) => void;
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

/** Where a kernel reads the weights [O, C, KH, KW] of a convolution: blocks of outputs one after the other, zeros behind what there is. */
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

export function inOrder(order: WeightOrder, [o, c, kh, kw]: Four): Packing {
  const { name, block, blockLength, together } = order;
  const taps = kh * kw;
  const length = Math.ceil(o / block) * blockLength;
  const hasGaps = length > o * c * taps;
  const write: Packing["write"] = (data, to) => {
    if (hasGaps) to.fill(0);
    const outputs = data.length / (c * taps);
    for (let first = 0; first < outputs; first += block) {
      const last = Math.min(first + block, outputs);
      for (let k = 0; k < c; k += together) {
        const start = (first / block) * blockLength + (k / together) * order.channels;
        const count = Math.min(together, c - k);
        for (let tap = 0; tap < taps; tap++) {
          const right = tap % kw;
          let into = start + ((tap - right) / kw) * order.down + right * order.right;
          // What is written lies together, what is read is in the nearest cache from the first tap on.
          for (let out = first; out < last; out++, into += together) {
            const from = (out * c + k) * taps + tap;
            if (count === 4) {
              to[into] = data[from]!;
              to[into + 1] = data[from + taps]!;
              to[into + 2] = data[from + 2 * taps]!;
              to[into + 3] = data[from + 3 * taps]!;
            } else for (let j = 0; j < count; j++) to[into + j] = data[from + j * taps]!;
          }
        }
      }
    }
  };
  return { name, length, block, planes: 1, write };
}

/** In the host's order. */
export function dense(shape: readonly number[]): Packing {
  const write: Packing["write"] = (data, to) => to.set(data);
  return { name: "as it is", length: sizeOf(shape), block: 1, planes: 1, write };
}

/** In the device's order. */
export function interleaved(shape: readonly number[]): Packing {
  const layout = layoutOf(shape);
  const { pixels, channels, quads } = layout;
  const isRow = shape.length === 1; // its first axis is that of channels
  const write: Packing["write"] = (data, to) => {
    to.fill(0);
    for (let image = 0, from = 0; from < data.length; image++) {
      for (let c = 0; c < channels; c++) {
        let into = (image * quads + (c >> 2)) * pixels * 4 + (c & 3);
        for (const end = from + pixels; from < end; from++, into += 4) to[into] = data[from]!;
      }
    }
  };
  return { name: "interleaved", length: lengthOf(layout), block: isRow ? channels : 1, planes: 1, write };
}
