import { widenFloat16 } from "@residual/core";
import { isFloat16, isTextures, type Memory, TEXELS } from "../kernels/kernel.ts";
import { answered, type Calls } from "./guard.ts";
import { type Allocation, bytesIn, bytesPerTextureRow, readableBuffer } from "./memory.ts";
import { mapWhenDone } from "./wait.ts";

/**
 * `count` numbers on the device, from the number `first` on. `first` and `count` are multiples of 4, except in float32
 * buffers.
 */
export interface Slice {
  readonly from: Allocation;
  readonly memory: Memory;
  readonly first: number;
  readonly count: number;
}

/**
 * The copy of a slice, or of the texture rows that contain it. `offset` and `bytes` are its place in the mapped buffer.
 */
interface Placed {
  readonly slice: Slice;
  readonly offset: number;
  readonly bytes: number;
  /** Copied numbers before the slice. */
  readonly skipped: number;
}

/**
 * Copies slices to the host. Call `copy` for each slice, with any command encoder, and `read` once all copies are
 * submitted.
 */
export class Readout implements Disposable {
  readonly #mapped: GPUBuffer;
  readonly #placed: ReadonlyMap<Slice, Placed>;

  constructor(device: GPUDevice, slices: readonly Slice[]) {
    let total = 0;
    const placed = slices.map((slice): [Slice, Placed] => {
      const { bytes, skipped } = extentOf(slice);
      const offset = total;
      total += Math.ceil(bytes / 16) * 16; // the offset of a texture's copy must be a multiple of a texel
      return [slice, { slice, offset, bytes, skipped }];
    });
    this.#placed = new Map(placed);
    this.#mapped = readableBuffer(device, Math.max(16, total));
  }

  copy(encoder: GPUCommandEncoder, slices: readonly Slice[]): void {
    for (const slice of slices) this.#copy(encoder, slice);
  }

  #copy(encoder: GPUCommandEncoder, slice: Slice): void {
    const { from, memory, first } = slice;
    const { offset, bytes, skipped } = this.#placed.get(slice)!;
    const buffer = this.#mapped;
    if ("createView" in from) {
      const bytesPerRow = bytesPerTextureRow(memory);
      const row = (first - skipped) / (4 * TEXELS);
      const size = [TEXELS, bytes / bytesPerRow];
      encoder.copyTextureToBuffer({ texture: from, origin: [0, row] }, { buffer, offset, bytesPerRow }, size);
    } else encoder.copyBufferToBuffer(from, bytesIn(memory, first), buffer, offset, bytes);
  }

  /** Returns the numbers of each slice, in the order of the slices. Call it once. */
  async read(calls: Calls): Promise<readonly Float32Array[]> {
    await answered(mapWhenDone(this.#mapped, GPUMapMode.READ));
    return calls(() => {
      const all = this.#mapped.getMappedRange();
      return [...this.#placed.values()].map(({ slice: { memory, count }, offset, bytes, skipped }) => {
        const copied = all.slice(offset, offset + bytes);
        const numbers = isFloat16(memory) ? widenFloat16(new Uint16Array(copied)) : new Float32Array(copied);
        return numbers.subarray(skipped, skipped + count);
      });
    });
  }

  [Symbol.dispose](): void {
    this.#mapped.destroy();
  }
}

/** The bytes of a slice's copy, and the numbers in the copy before the slice. From a texture whole rows are copied. */
export function extentOf({ memory, first, count }: Slice): Pick<Placed, "bytes" | "skipped"> {
  if (!isTextures(memory)) return { bytes: bytesIn(memory, count), skipped: 0 };
  const numbers = 4 * TEXELS;
  const [row, end] = [Math.floor(first / numbers), Math.ceil((first + count) / numbers)];
  return { bytes: (end - row) * bytesPerTextureRow(memory), skipped: first - row * numbers };
}
