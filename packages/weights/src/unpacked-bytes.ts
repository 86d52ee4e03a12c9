import { UnsupportedError } from "@residual/core";
import type { TensorEntry } from "./tensor-entry.ts";

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
