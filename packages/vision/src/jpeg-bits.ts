import { FormatError } from "@residual/core";

/** Codes of a Huffman table by the next 16 bits: the code's length times 256, plus its symbol; 0 where none fits. */
export type HuffmanTable = Uint16Array;

/** `counts[i]` codes have i + 1 bits. Source: ITU T.81, annex C. */
export function huffmanTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const table = new Uint16Array(1 << 16);
  let [at, next] = [0, 0];
  for (let length = 1; length <= 16; length++) {
    for (let i = counts[length - 1]!; i > 0; i--, next++) {
      const end = at + (1 << (16 - length));
      table.fill(length * 256 + symbols[next]!, at, end);
      at = end;
    }
  }
  return table;
}

/**
 * Bytes that a copy may take: bits that begin elsewhere make other bytes, each of which may need a zero byte behind it,
 * and two blank components may take the place of one.
 */
export const mostCopied = (bytes: Uint8Array): number => 4 * bytes.length + 16;

/** Reads the coded pixels of a JPEG, and copies codes of them. */
export class JpegBits {
  readonly #bytes: Uint8Array;
  readonly #copy: Uint8Array;
  #at: number;
  /** The next bits, and how many there are. Those beyond the coded pixels are zeros, and are not to be read. */
  #held = 0;
  #count = 0;
  #padded = 0;
  /** Bytes that are written, and bits that are no whole byte yet. */
  #written = 0;
  #open = 0;
  #openCount = 0;

  /** Reads `bytes` from `at` on, and writes to `copy`, which holds `mostCopied` bytes. */
  constructor(bytes: Uint8Array, at: number, copy: Uint8Array) {
    this.#bytes = bytes;
    this.#at = at;
    this.#copy = copy;
  }

  /** The next symbol by a table. Its code is copied if `isKept`. */
  symbol(table: HuffmanTable, isKept: boolean): number {
    this.#fill();
    const bits = (this.#held >>> (this.#count - 16)) & 0xffff;
    const found = table[bits]!;
    const length = found >> 8;
    if (length === 0) throw new FormatError("found a wrong Huffman code; the file is damaged");
    if (isKept) this.#write(bits >> (16 - length), length);
    this.#skip(length);
    return found & 0xff;
  }

  /** The next `length` bits, at most 16. They are copied if `isKept`. */
  pass(length: number, isKept: boolean): number {
    this.#fill();
    const bits = (this.#held >>> (this.#count - length)) & ((1 << length) - 1);
    if (isKept) this.#write(bits, length);
    this.#skip(length);
    return bits;
  }

  writeZeros(length: number): void {
    for (let left = length; left > 0; left -= 8) this.#write(0, Math.min(8, left));
  }

  /** Ends a run of bits, as before a marker: the rest of its last byte becomes ones. */
  end(): void {
    if (this.#openCount > 0) this.#write(0xff >> this.#openCount, 8 - this.#openCount);
    this.#held = this.#count = this.#padded = 0;
  }

  /** Moves to the next marker, past bytes that no code uses. Returns where it begins. */
  toMarker(): number {
    const { length } = this.#bytes;
    while (this.#at < length && !(this.#bytes[this.#at] === 0xff && this.#bytes[this.#at + 1]! > 0)) this.#at++;
    while (this.#bytes[this.#at + 1] === 0xff) this.#at++;
    return this.#at;
  }

  /** Passes and copies a restart marker. Throws FormatError where there is another. */
  restart(index: number): void {
    this.end();
    const marker = 0xd0 + (index & 7);
    const found = this.#bytes[this.toMarker() + 1];
    if (found !== marker) throw new FormatError(`found the marker ${found}, expected ${marker}; the file is damaged`);
    this.#at += 2;
    this.#copy.set([0xff, marker], this.#written);
    this.#written += 2;
  }

  /** The bytes of the copy. */
  get copied(): Uint8Array {
    return this.#copy.slice(0, this.#written);
  }

  /** Holds at least 16 bits. */
  #fill(): void {
    while (this.#count < 16) {
      const byte = this.#bytes[this.#at];
      const isData = byte !== undefined && (byte !== 0xff || this.#bytes[this.#at + 1] === 0);
      this.#held = (this.#held << 8) | (isData ? byte : 0);
      this.#count += 8;
      if (isData) this.#at += byte === 0xff ? 2 : 1;
      else this.#padded += 8;
    }
  }

  #skip(length: number): void {
    this.#count -= length;
    if (this.#count < this.#padded) throw new FormatError("found fewer coded pixels than expected; the file is cut");
  }

  #write(bits: number, length: number): void {
    this.#open = (this.#open << length) | bits;
    this.#openCount += length;
    while (this.#openCount >= 8) {
      this.#openCount -= 8;
      const byte = (this.#open >>> this.#openCount) & 0xff;
      this.#copy[this.#written++] = byte;
      if (byte === 0xff) this.#copy[this.#written++] = 0;
    }
  }
}
