import { sizeOf } from "@residual/core";
import type { KernelIn } from "../kernels/kernel.ts";
import { pack } from "../kernels/order.ts";
import { PACKED_TOGETHER, repack } from "../kernels/repack.ts";
import { type Four, type Layout, layoutOf, lengthOf, type WeightOrder } from "./layout.ts";

/**
 * How the host packs a constant for the device. A constant is packed in blocks of its first axis, so that a large one
 * can be uploaded in parts.
 */
export interface HostPacking {
  /** Unique among the packings of the same numbers. */
  readonly name: string;
  /** The count of packed numbers, including padding. */
  readonly length: number;
  /** The rows of the first axis in a block. The last block may have fewer. */
  readonly block: number;
  /**
   * The number of planes: parts of the packed numbers, of equal length. Each block has an equal share in each plane. A
   * plane has the shares in the order of the blocks.
   */
  readonly planes: number;
  /**
   * Packs the numbers of whole blocks: their shares in the first plane, then in the next. Writes every number of `to`.
   */
  readonly write: (from: Float32Array, to: Float32Array) => void;
}

/** A packing that also works for numbers that are on the device already. */
export interface Packing extends HostPacking {
  /** The plain kernel that packs numbers in the host's order, its params, and the layout that it runs over. */
  readonly onDevice: {
    readonly kernel: KernelIn;
    readonly params: { readonly [name: string]: number };
    readonly grid: Layout;
  };
}

/** Packs weights [O, C, KH, KW] into a kernel's order. */
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
          // Writes are consecutive. Reads are not, but they hit the L1 cache from the second tap on.
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
  const planes = (Math.ceil(c / 4) * 4) / together;
  const params = { outputs: o, inputs: c, kh, kw, block, together, fours: planes, ...fours };
  const grid = repackGrid(Math.ceil(planes / PACKED_TOGETHER), o, order);
  return { name, length, block, planes: 1, write, onDevice: { kernel: repack, params, grid } };
}

/** The layout that a kernel runs over to pack weights: planes of outputs, four numbers per invocation. */
export function repackGrid(planes: number, outputs: number, { block, together }: WeightOrder): Layout {
  const pixels = (Math.ceil(outputs / block) * block * together) / 4;
  return { images: 1, channels: planes, quads: planes, pixels };
}

/** Copies numbers in the host's order. */
export function dense(shape: readonly number[]): HostPacking {
  const write: Packing["write"] = (data, to) => to.set(data);
  return { name: "as it is", length: sizeOf(shape), block: 1, planes: 1, write };
}

/** Packs a tensor into the device's order. */
export function interleaved(shape: readonly number[]): Packing {
  const layout = layoutOf(shape);
  const { pixels, channels, quads } = layout;
  const isRow = shape.length === 1; // the first axis is the channels
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
