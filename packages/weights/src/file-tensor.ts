import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { type FileSource, FormatError, sizeOf, type Tensor } from "@residual/core";
import { refuse } from "./safetensors.ts";

/** A file as it was when it was opened, for those who come back to it later. */
export interface OpenedFile {
  readonly path: string;
  readonly isCurrent: () => Promise<boolean>;
  /** Reads a piece again, as long as `bytes`. Throws FormatError where the file is not as it was. */
  readAgain(offset: number, bytes: Uint8Array): void;
}

/** Remembers what tells whether a file has changed: which one it is, its size, and when it was last written to. */
export async function openedFile(handle: FileHandle, path: string): Promise<OpenedFile> {
  const { closeSync, fstatSync, openSync, readSync } = await import("node:fs");
  const { stat } = await import("node:fs/promises");
  const stamp = ({ ino, size, mtimeMs }: Stats) => `${ino} ${size} ${mtimeMs}`;
  const opened = stamp(await handle.stat());
  const changed = (cause?: unknown) =>
    new FormatError(`${path}: the file has changed since it was opened; read it again`, { cause });
  return {
    path,
    isCurrent: () =>
      stat(path).then(
        (status) => stamp(status) === opened,
        () => false,
      ),
    readAgain(offset, bytes) {
      const { length } = bytes;
      let descriptor: number | undefined;
      try {
        descriptor = openSync(path, "r");
        const whole =
          stamp(fstatSync(descriptor)) === opened && readSync(descriptor, bytes, 0, length, offset) === length;
        if (whole) return;
      } catch (cause) {
        throw changed(cause);
      } finally {
        if (descriptor !== undefined) closeSync(descriptor);
      }
      throw changed();
    },
  };
}

export function sourceIn(file: OpenedFile, offset: number): FileSource {
  return { path: file.path, offset, isCurrent: file.isCurrent };
}

interface Place {
  readonly file: OpenedFile;
  readonly offset: number;
  readonly firstNonFinite: number;
}

/** A float32 tensor that is read from its file when its numbers are first asked for. */
export function fileTensor(shape: readonly number[], { file, offset, firstNonFinite }: Place): Tensor<"float32"> {
  let data: WeakRef<Float32Array> | undefined; // who has packed them for a device lets them go
  return {
    dtype: "float32",
    shape,
    get data() {
      const known = data?.deref();
      if (known) return known;
      const read = new Float32Array(sizeOf(shape));
      file.readAgain(offset, new Uint8Array(read.buffer));
      data = new WeakRef(read);
      return read;
    },
    source: {
      ...sourceIn(file, offset),
      firstNonFinite,
      readInto: (bytes, begin = 0) => file.readAgain(offset + begin, bytes),
    },
  };
}

/** In bytes: what fits into a core's own cache, so that numbers are still there when they are looked at. */
const CHUNK = 1 << 19;

/** A stretch of bytes, counted from the start of a file's data. */
interface Stretch {
  readonly begin: number;
  readonly end: number;
}

/**
 * For each stretch of float32 numbers, in their order, the index of the first that is NaN or infinite, or -1. `offset` is
 * where the data start in the file, in bytes; stretches start at multiples of 4 from there.
 */
export async function findNonFinite(
  handle: FileHandle,
  { path, offset }: { readonly path: string; readonly offset: number },
  stretches: readonly Stretch[],
  onRead: (bytes: number) => void,
): Promise<readonly number[]> {
  const found = stretches.map(() => -1);
  const end = stretches.at(-1)?.end ?? 0;
  let first = 0; // the first stretch that is not over yet
  for await (const { begin, bytes } of chunksOf(handle, path, offset, end)) {
    while (stretches[first]!.end <= begin) first++;
    for (let i = first; i < stretches.length && stretches[i]!.begin < begin + bytes.length; i++) {
      if (found[i] === -1) found[i] = indexIn(stretches[i]!, begin, bytes);
    }
    onRead(begin + bytes.length);
  }
  return found;
}

/** The index within the stretch of the first number in this chunk of it that is not finite, or -1. */
function indexIn(stretch: Stretch, begin: number, { buffer, length }: Uint8Array): number {
  const from = Math.max(stretch.begin, begin);
  const to = Math.min(stretch.end, begin + length);
  const index = indexOfNonFinite(new Int32Array(buffer, from - begin, (to - from) / 4));
  return index < 0 ? -1 : (from - stretch.begin) / 4 + index;
}

/**
 * A file's data chunk by chunk, in order, each good until the next. Read on this thread, which has a turn for others after each: what other
 * threads read lies in their caches, and takes twice the CPU time.
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
      if (count === 0) refuse(path, `it ended at byte ${offset + begin + done} while it was read`);
      done += count;
    }
    yield { begin, bytes };
    await turn();
  }
}

/** Fills `into` from a position of the file. Throws FormatError where the file ends before. */
export async function readWhole<T extends Uint8Array>(
  handle: FileHandle,
  path: string,
  position: number,
  into: T,
): Promise<T> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) refuse(path, `it ended at byte ${position + done} while it was read`);
    done += bytesRead;
  }
  return into;
}

/** The bits of float32's exponent, all of which are set in NaN and the infinities and nowhere else. */
const EXPONENT = 0x7f800000;

/** Of float32 numbers, given as their bits. All are looked at without a branch first: nearly always none is found. */
function indexOfNonFinite(bits: Int32Array): number {
  let carry = 0;
  for (let i = 0; i < bits.length; i++) carry |= (bits[i]! & EXPONENT) + (1 << 23);
  return carry < 0 ? bits.findIndex((value) => (value & EXPONENT) === EXPONENT) : -1;
}
