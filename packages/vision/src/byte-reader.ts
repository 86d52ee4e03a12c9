import { FormatError } from "@residual/core";

/** Reads numbers from a file's bytes, one after the other. Each read past the end is a FormatError. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  /** Where the next read begins. */
  at: number;

  constructor(bytes: Uint8Array, { at = 0, littleEndian = true }: { at?: number; littleEndian?: boolean } = {}) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.at = at;
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), this.#littleEndian);
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), this.#littleEndian);
  }

  i32(): number {
    return this.#view.getInt32(this.#skip(4), this.#littleEndian);
  }

  /** As a float64, which is exact for every offset into a file. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), this.#littleEndian));
  }

  /** A view on the next bytes. */
  take(length: number): Uint8Array {
    const begin = this.#skip(length);
    return this.bytes.subarray(begin, begin + length);
  }

  /** The next bytes as latin-1. */
  text(length: number): string {
    return String.fromCharCode(...this.take(length));
  }

  /** Whether the bytes begin with the text, as latin-1. */
  startsWith(text: string): boolean {
    return String.fromCharCode(...this.bytes.subarray(0, text.length)) === text;
  }

  /** Moves on by `length`, and returns where that began. */
  #skip(length: number): number {
    const begin = this.at;
    if (begin + length > this.bytes.length) {
      throw new FormatError(`found ${this.bytes.length} bytes, expected at least ${begin + length}; the file is cut`);
    }
    this.at = begin + length;
    return begin;
  }
}
