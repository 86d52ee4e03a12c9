import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  FormatError,
  firstNonFinite,
  type LazySource,
  OutOfMemoryError,
  type RealArray,
  type RowRange,
  rowSize,
  tensorOf,
} from "@residual/core";
import { decodeTensor } from "./decode-tensor.ts";
import type { TensorEntry } from "./tensor-entry.ts";

/** A file as it was when opened, for later reads. */
export interface OpenedFile {
  readonly path: string;
  /** Fills `bytes` from a position of the file. Throws FormatError if the file has changed. */
  readAgain(offset: number, bytes: Uint8Array): void;
}

/** Opens a file for later reads. Inode, size and times of change are recorded, to detect a changed file. */
export async function openedFile(handle: FileHandle, path: string): Promise<OpenedFile> {
  const { closeSync, fstatSync, openSync, readSync } = await import("node:fs");
  // ctime as well, because programs can reset mtime
  const stamp = ({ ino, size, mtimeMs, ctimeMs }: Stats) => `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  const opened = stamp(await handle.stat());
  const changed = (cause?: unknown) =>
    new FormatError(`${path}: the file has changed since it was opened; read it again`, { cause });
  return {
    path,
    readAgain(offset, bytes) {
      const { length } = bytes;
      let descriptor: number | undefined;
      try {
        descriptor = openSync(path, "r");
        const isWhole = readSync(descriptor, bytes, 0, length, offset) === length;
        // checked after the read, because the file may have changed during it
        if (isWhole && stamp(fstatSync(descriptor)) === opened) return;
      } catch (cause) {
        throw changed(cause);
      } finally {
        if (descriptor !== undefined) closeSync(descriptor);
      }
      throw changed();
    },
  };
}

/** The exponent bits of a float32. All are set in NaN and infinity. */
const EXPONENT = 0x7f800000;

/**
 * Dtypes that can be read from a file row by row: the bytes of a number, and the bits that are set in NaN and infinity.
 */
const lazyDTypes = {
  F64: { bytes: 8, exponent: 0 }, // scanned as numbers, since finite numbers may exceed float32
  F32: { bytes: 4, exponent: EXPONENT },
  F16: { bytes: 2, exponent: 0x7c00 },
  BF16: { bytes: 2, exponent: 0x7f80 },
} as const;

type LazyDType = keyof typeof lazyDTypes;

/** An entry that can be read row by row. Its numbers must be aligned in the file to their size. */
export interface LazyEntry extends TensorEntry {
  readonly dtype: LazyDType;
}

export function isLazy(entry: TensorEntry): entry is LazyEntry {
  return Object.hasOwn(lazyDTypes, entry.dtype) && entry.begin % lazyDTypes[entry.dtype as LazyDType].bytes === 0;
}

/** In bytes. A chunk fits into a core's own cache, so that widening and scanning do not wait for memory. */
const CHUNK = 1 << 19;

/**
 * Rows of a tensor in a file. Reads run on this thread: data read by another thread would be in another core's cache,
 * which doubles CPU time. F16 and BF16 are widened to float32 exactly. `offset` is the start of the file's data
 * section, in bytes.
 */
export function fileSource(file: OpenedFile, offset: number, entry: LazyEntry, found: Scanned): LazySource {
  const { dtype, shape, begin } = entry;
  const { bytes } = lazyDTypes[dtype];
  const start = offset + begin;
  return {
    dtype: dtype === "F64" ? "float64" : "float32",
    shape,
    firstNonFinite: found.firstNonFinite,
    ...boundOf(found),
    async read(into: RealArray, { first }: RowRange) {
      const from = start + first * rowSize({ shape }) * bytes;
      if (dtype === "F32" && into instanceof Float32Array) {
        file.readAgain(from, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
        return;
      }
      const chunk = new Uint8Array(Math.min(CHUNK, into.length * bytes));
      for (let done = 0; done < into.length; done += chunk.length / bytes) {
        const part = chunk.subarray(0, Math.min(chunk.length, (into.length - done) * bytes));
        file.readAgain(from + done * bytes, part);
        const { data } = decodeTensor({ ...entry, shape: [part.length / bytes], begin: 0, end: part.length }, part);
        into.set(data as RealArray, done);
      }
    },
  };
}

/** The result of scanning an entry's data. */
export interface Scanned {
  /** Index of the first number that is not finite in float32, or -1. */
  readonly firstNonFinite: number;
  /** The bitwise OR of all numbers of an F32 entry. */
  readonly bits: number;
  /** The entry's bytes, if `isKept` selects the entry. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * Reads a file's data once, in order. Finds numbers in lazy entries that are not finite in float32, and keeps the bytes
 * of the entries that `isKept` selects. `offset` is the start of the data in the file, in bytes.
 */
export async function scan(
  handle: FileHandle,
  { path, offset }: { readonly path: string; readonly offset: number },
  entries: readonly TensorEntry[],
  isKept: (entry: TensorEntry) => boolean,
  onRead: (bytes: number) => void,
): Promise<ReadonlyMap<TensorEntry, Scanned>> {
  const kept = memoryFor(entries.filter(isKept), path);
  const found = new Map<TensorEntry, { -readonly [K in keyof Scanned]: Scanned[K] }>(
    entries.map((entry) => [
      entry,
      { firstNonFinite: -1, bits: entry.dtype === "F32" ? 0 : -1, bytes: kept.get(entry) },
    ]),
  );
  // A header may list entries in another order than the data, and empty entries anywhere.
  const inOrder = entries.filter(({ begin, end }) => end > begin).toSorted((a, b) => a.begin - b.begin);
  const end = inOrder.at(-1)?.end ?? 0;
  let first = 0; // the first entry that is not finished
  for await (const { begin, bytes } of chunksOf(handle, path, offset, end)) {
    while (inOrder[first]!.end <= begin) first++;
    for (let i = first; i < inOrder.length && inOrder[i]!.begin < begin + bytes.length; i++) {
      const entry = inOrder[i]!;
      const scanned = found.get(entry)!;
      const [from, to] = [Math.max(entry.begin, begin), Math.min(entry.end, begin + bytes.length)];
      const part = bytes.subarray(from - begin, to - begin);
      scanned.bytes?.set(part, from - entry.begin);
      if (!scanned.bytes && scanned.firstNonFinite < 0 && isLazy(entry)) {
        const bits = entry.dtype === "F32" ? bitsOf(wordsOf(part)) : -1;
        scanned.bits |= bits;
        const index = isFiniteBits(bits) ? -1 : indexOfNonFinite(part, entry.dtype);
        if (index >= 0) scanned.firstNonFinite = (from - entry.begin) / lazyDTypes[entry.dtype].bytes + index;
      }
    }
    onRead(begin + bytes.length);
  }
  return found;
}

/** Aligned pieces of one buffer, one per entry. Hundreds of small buffers would burden the garbage collector. */
function memoryFor(entries: readonly TensorEntry[], path: string): ReadonlyMap<TensorEntry, Uint8Array> {
  let length = 0;
  const places = entries.map(({ begin, end }) => {
    const place = length;
    length += Math.ceil((end - begin) / 8) * 8;
    return place;
  });
  const memory = allocate(length, path);
  return new Map(entries.map((entry, i) => [entry, memory.subarray(places[i], places[i]! + entry.end - entry.begin)]));
}

/**
 * The chunks of a file's data, in order. A chunk is valid until the next one is requested. Other tasks of this thread
 * can run between chunks.
 */
async function* chunksOf(
  handle: FileHandle,
  path: string,
  offset: number,
  length: number,
): AsyncGenerator<{ readonly begin: number; readonly bytes: Uint8Array }> {
  const { readSync } = await import("node:fs");
  const { setImmediate: turn } = await import("node:timers/promises");
  const buffer = new Uint8Array(Math.min(CHUNK, length));
  for (let begin = 0; begin < length; begin += CHUNK) {
    const bytes = buffer.subarray(0, Math.min(length - begin, CHUNK));
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(handle.fd, bytes, done, bytes.length - done, offset + begin + done);
      if (count === 0) endedAt(offset + begin + done, path);
      done += count;
    }
    yield { begin, bytes };
    await turn();
  }
}

/** Throws FormatError for a file that became shorter after it was opened. */
export function endedAt(position: number, path: string): never {
  throw new FormatError(`${path}: it ended at byte ${position} while it was read; read it again once it is written`);
}

/** Fills `into` from a position of the file. Throws FormatError if the file ends too early. */
export async function readWhole<T extends Uint8Array>(
  handle: FileHandle,
  path: string,
  position: number,
  into: T,
): Promise<T> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) endedAt(position + done, path);
    done += bytesRead;
  }
  return into;
}

/** Allocates a buffer without clearing it, since a read fills all of it. Throws OutOfMemoryError. */
export function allocate(length: number, path: string): Uint8Array {
  try {
    return Buffer.allocUnsafeSlow(length);
  } catch (cause) {
    throw new OutOfMemoryError(
      `${path}: there is no memory for its ${length} bytes; free some, or take a smaller file`,
      { cause },
    );
  }
}

/**
 * Index of the first number that is not finite in float32, or -1. The bytes begin at a multiple of the dtype's size.
 */
function indexOfNonFinite(part: Uint8Array, dtype: LazyDType): number {
  const { buffer, byteOffset, byteLength } = part;
  const { bytes, exponent } = lazyDTypes[dtype];
  const isSet = (bits: number) => (bits & exponent) === exponent;
  if (bytes === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2).findIndex(isSet);
  if (bytes === 8)
    return firstNonFinite(tensorOf("float64", [byteLength / 8], new Float64Array(buffer, byteOffset, byteLength / 8)));
  const words = wordsOf(part);
  return isFiniteThroughout(words) ? -1 : words.findIndex(isSet);
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

/** The bitwise OR of all words. If all numbers are below 2, as in most weights, the exponent's highest bit is 0. */
function bitsOf(words: Int32Array): number {
  let bits = 0;
  for (let i = 0; i < words.length; i++) bits |= words[i]!;
  return bits;
}

function isFiniteBits(bits: number): boolean {
  return (bits & EXPONENT) !== EXPONENT;
}

/** An upper bound of an entry's numbers: no exponent is larger than the bitwise OR of all exponents. */
function boundOf({ bits }: Scanned): Pick<LazySource, "bound"> {
  return isFiniteBits(bits) ? { bound: 2 ** (((bits & EXPONENT) >>> 23) - 126) } : {};
}

/**
 * Whether float32 numbers, given as words, are all finite. The loop has no branch, so that V8 keeps it in registers.
 */
function isFiniteThroughout(words: Int32Array): boolean {
  let carry = 0;
  for (let i = 0; i < words.length; i++) carry |= (words[i]! & 0x7f800000) + (1 << 23);
  return carry >= 0;
}
