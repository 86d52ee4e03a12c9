import { sizeOf } from "@residual/core";
import type { KernelIn } from "../kernels/kernel.ts";
import { pack } from "../kernels/order.ts";
import { repack } from "../kernels/repack.ts";
import { type Four, type Layout, layoutOf, lengthOf, type WeightOrder } from "./layout.ts";

/**
 * How a constant is written to the device, in blocks of its first axis, so that one that is large can be written in
 * parts.
 */
export interface HostPacking {
  /** Unlike that of any other packing of the same numbers. */
  readonly name: string;
  readonly length: number;
  /** How many along the first axis a block takes; the last may be short of some. */
  readonly block: number;
  /**
   * Parts of the device's memory of equal length. Each block has an equal share in each plane; a plane holds them in
   * order.
   */
  readonly planes: number;
  /**
   * Packs the numbers of whole blocks: their shares in the first plane, then in the next. Every number of `to` is
   * written.
   */
  readonly write: (from: Float32Array, to: Float32Array) => void;
}

/** The same for numbers that are on the device already. */
export interface Packing extends HostPacking {
  /** Packs numbers in the host's order: a plain kernel, its params, and what it runs over. */
  readonly onDevice: {
    readonly kernel: KernelIn;
    readonly params: { readonly [name: string]: number };
    readonly grid: Layout;
  };
}

/** Weights [O, C, KH, KW] for a kernel. */
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
  const fours = {
    blockFours: blockLength / 4,
    channelFours: order.channels / 4,
    downFours: order.down / 4,
    rightFours: order.right / 4,
  };
  const params = { outputs: o, inputs: c, kh, kw, block, together, ...fours };
  const grid = repackGrid([o, c, kh, kw], order);
  return { name, length, block, planes: 1, write, onDevice: { kernel: repack, params, grid } };
}

/**
 * What a kernel that packs weights runs over: for each plane of channels and taps the outputs, four numbers at a time.
 */
export function repackGrid([o, c, kh, kw]: Four, { block, together }: WeightOrder): Layout {
  const planes = (Math.ceil(c / 4) * 4 * kh * kw) / together;
  return { images: 1, channels: planes, quads: planes, pixels: (Math.ceil(o / block) * block * together) / 4 };
}

/** In the host's order. */
export function dense(shape: readonly number[]): HostPacking {
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
  const onDevice = { kernel: pack, params: {}, grid: layout };
  return { name: "interleaved", length: lengthOf(layout), block: isRow ? channels : 1, planes: 1, write, onDevice };
}
