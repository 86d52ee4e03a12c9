import { UnsupportedError } from "@residual/core";
import type { TensorEntry } from "./tensor-entry.ts";
import type { Refuse } from "./zip-directory.ts";

/** In bytes. Deflate expands a piece to at most 1032 times its size, and browsers hold the expanded piece in memory. */
const PIECE = 8 << 10;

/**
 * Decompresses deflate data: `deflate-raw` in a zip, `deflate` with zlib's header and checksum. Calls `refuse` if the
 * data are damaged or do not decompress to exactly `size` bytes. Takes no more memory than `size`.
 */
export async function inflate(
  bytes: Uint8Array,
  format: "deflate" | "deflate-raw",
  size: number,
  refuse: Refuse,
): Promise<Uint8Array<ArrayBuffer>> {
  const unpacked = new Uint8Array(size);
  let [given, done] = [0, 0];
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (given === bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(given, given + PIECE))); // the stream may detach the copy
      given = Math.min(given + PIECE, bytes.length);
    },
  });
  const stream: ReadableStream<Uint8Array> = packed.pipeThrough(new DecompressionStream(format));
  const reader = stream.getReader();
  for (;;) {
    const { value } = await reader.read().catch(() => refuse("its compressed data are damaged"));
    if (!value) break;
    if (done + value.length > size) {
      await reader.cancel().catch(() => {}); // rejects if the stream failed meanwhile
      return refuse(`its compressed data are more than the ${size} bytes that it says`);
    }
    unpacked.set(value, done);
    done += value.length;
  }
  return done === size ? unpacked : refuse(`its compressed data are ${done} bytes, expected ${size}`);
}

/** In bytes. A file may always expand by this much. */
const ALLOWANCE = 8 << 20;
/** Weights hardly compress: float32 numbers that were widened from bfloat16 shrink to half. */
const RATIO = 4;

/** Counts the memory of a file's decompressed parts, so that a small file cannot request a large tensor. */
export class UnpackedBytes {
  readonly #file: string;
  readonly #most: number;
  #taken = 0;

  constructor({ name, size }: { readonly name: string; readonly size: number }) {
    this.#file = name;
    this.#most = Math.max(ALLOWANCE, RATIO * size);
  }

  /** Counts the memory for copies of an entry's numbers: byte order swapped, widened to float32, or made contiguous. */
  takeCopies(
    { dtype, end }: Pick<TensorEntry, "dtype" | "end">,
    { isSwapped, isScattered = false }: { readonly isSwapped: boolean; readonly isScattered?: boolean },
  ): void {
    const widened = dtype === "F16" || dtype === "BF16" ? 2 * end : 0;
    this.take((isSwapped ? end : 0) + widened + (isScattered ? widened || end : 0));
  }

  /** Throws UnsupportedError if the counted memory exceeds the limit for the file's size. */
  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken <= this.#most) return;
    throw new UnsupportedError(
      `${this.#file}: its compressed data take ${this.#taken} bytes or more once unpacked, expected at most ` +
        `${this.#most}; save it without compression`,
    );
  }
}
