import type { OpenFile } from "../open-file.ts";
import type { Refuse } from "../zip-directory.ts";

/** In bytes. Structures are small and close together: one read of the file returns many of them. */
const BLOCK = 32 << 10;
/** The most blocks in the cache. */
const MOST_BLOCKS = 128;

/** Limit of all reads, as a multiple of the file's size: heads of structures are read twice, the rest once. */
const MOST_READ = 4;
const ALLOWANCE = 64 << 10;

/**
 * Reads the structures of an HDF5 file. Structures refer to one another by their positions, and a hostile file may
 * contain cycles. So no structure is entered twice, and the file's size bounds the bytes that are read in all.
 */
export class Structures {
  readonly file: OpenFile;
  readonly refuse: Refuse;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  readonly #entered = new Set<number>();
  #left: number;

  constructor(file: OpenFile, refuse: Refuse) {
    this.file = file;
    this.refuse = refuse;
    this.#left = MOST_READ * file.size + ALLOWANCE;
  }

  /** The fields of a structure: `length` bytes from `address` on. */
  async fields(address: number | undefined, length: number): Promise<Fields> {
    if (address === undefined) return this.refuse("one of its structures lies nowhere");
    if (address + length > this.file.size)
      return this.refuse(`a structure ends at byte ${address + length} of ${this.file.size}`);
    this.spend(length);
    const first = Math.floor(address / BLOCK);
    if (Math.floor((address + length - 1) / BLOCK) !== first)
      return new Fields(await this.file.read(address, length), this.refuse);
    const begin = address - first * BLOCK;
    return new Fields((await this.#block(first)).subarray(begin, begin + length), this.refuse);
  }

  /** Marks a structure as entered. Calls `refuse` if it was entered before. */
  enter(address: number | undefined): void {
    if (address === undefined || this.#entered.has(address))
      this.refuse(`its structures go round, or two share byte ${address}`);
    else this.#entered.add(address);
  }

  /** Counts bytes that are parsed, or copied from the file. Calls `refuse` above the limit. */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) this.refuse("its structures are read more often than a file of its size can need");
  }

  #block(index: number): Promise<Uint8Array> {
    const held = this.#blocks.get(index);
    if (held) return held;
    if (this.#blocks.size === MOST_BLOCKS) this.#blocks.clear();
    const begin = index * BLOCK;
    const read = this.file.read(begin, Math.min(BLOCK, this.file.size - begin));
    this.#blocks.set(index, read);
    return read;
  }
}

/** Reads consecutive little-endian fields. Calls `refuse` if too few bytes are left. */
export class Fields {
  readonly refuse: Refuse;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array, refuse: Refuse) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.refuse = refuse;
  }

  /** The number of bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#next(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#next(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#next(4), true);
  }

  /** A length, in bytes or numbers. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#next(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`one of its lengths is ${value}`);
    return Number(value);
  }

  /** A position in the file; undefined for the "undefined address". */
  address(): number | undefined {
    const value = this.#view.getBigUint64(this.#next(8), true);
    if (value === 0xffff_ffff_ffff_ffffn) return undefined;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`it points at byte ${value}`);
    return Number(value);
  }

  /** An unsigned number of 1, 2, 4 or 8 bytes. */
  uint(size: number): number {
    return size === 1 ? this.u8() : size === 2 ? this.u16() : size === 4 ? this.u32() : this.u64();
  }

  bytes(length: number): Uint8Array {
    const begin = this.#next(length);
    return this.#bytes.subarray(begin, begin + length);
  }

  skip(length: number): void {
    this.#next(length);
  }

  /** Calls `refuse` if the next bytes are not the given signature. */
  expect(signature: string): void {
    const found = String.fromCharCode(...this.bytes(signature.length));
    if (found !== signature) this.refuse(`found ${JSON.stringify(found)}, expected the structure ${signature}`);
  }

  #next(length: number): number {
    if (length > this.left) this.refuse("a structure ends too early");
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
