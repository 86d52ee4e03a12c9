import { widenFloat16 } from "@residual/core";
import { isFloat16, isTextures, type Memory, TEXELS } from "../kernels/kernel.ts";
import { answered, type Calls } from "./guard.ts";
import { type Allocation, bytesIn, bytesPerTextureRow, readableBuffer } from "./memory.ts";
import { mapWhenDone } from "./wait.ts";

/** Numbers on the device: `count` from the number `first` on, both multiples of 4 unless in buffers of float32. */
export interface Slice {
  readonly from: Allocation;
  readonly memory: Memory;
  readonly first: number;
  readonly count: number;
}

/** A slice, or the whole rows of a texture around it, with its place in bytes in the mapped buffer. */
interface Placed {
  readonly slice: Slice;
  readonly offset: number;
  readonly bytes: number;
  /** Numbers before the slice. */
  readonly skipped: number;
}

/** Copies slices to the host: first `copy` for each, in any command encoder, then `read` once these were submitted. */
export class Readout implements Disposable {
  readonly #mapped: GPUBuffer;
  readonly #placed: ReadonlyMap<Slice, Placed>;

  constructor(device: GPUDevice, slices: readonly Slice[]) {
    let total = 0;
    const placed = slices.map((slice): [Slice, Placed] => {
      const { bytes, skipped } = extentOf(slice);
      const offset = total;
      total += Math.ceil(bytes / 16) * 16; // a texel
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

  /** The numbers of each slice, in the order of the slices. To be called once. */
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

/** Bytes of a copy, which takes whole rows of a texture, and the numbers before the slice. */
export function extentOf({ memory, first, count }: Slice): Pick<Placed, "bytes" | "skipped"> {
  if (!isTextures(memory)) return { bytes: bytesIn(memory, count), skipped: 0 };
  const numbers = 4 * TEXELS;
  const [row, end] = [Math.floor(first / numbers), Math.ceil((first + count) / numbers)];
  return { bytes: (end - row) * bytesPerTextureRow(memory), skipped: first - row * numbers };
}
