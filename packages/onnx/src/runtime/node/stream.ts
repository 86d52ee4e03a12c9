import { type FileHandle, open } from "node:fs/promises";
import {
  type RowRange,
  readRows,
  rowSize,
  rowsIn,
  type Source,
  throwIfAborted,
  type WorkOptions,
} from "@residual/core";
import type { PlacedWeight } from "../../external-data.ts";

/** In bytes: fits into a core's cache, so that numbers are scaled and written while they are cached. */
const CHUNK = 1 << 19;

/** Concurrent chunks: one is read while another is written. */
const LANES = 2;

/** Some rows of a weight, and the position of their bytes in the new file. */
interface Chunk {
  readonly source: Source;
  readonly rows: RowRange;
  readonly offset: number;
}

/**
 * Writes weights to a new file, each at its position, as float32. Rows are read in chunks, and only a few chunks are in
 * memory at a time.
 *
 * Throws FormatError if a file has changed since it was opened, AbortError, and file-system errors.
 */
export async function streamWeights(
  weights: readonly PlacedWeight[],
  path: string,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  await using target = await open(path, "wx");
  const chunks = weights.flatMap(chunksOf);
  const work = chunks.values(); // one iterator for all lanes
  const total = chunks.reduce((sum, chunk) => sum + numbersIn(chunk), 0);
  let done = 0;
  const advance = (numbers: number) => {
    throwIfAborted(signal);
    done += numbers;
    onProgress?.({ stage: "stream weights", done, total });
  };
  const longest = Math.max(0, ...chunks.map(numbersIn));
  await allDone(Array.from({ length: LANES }, () => lane(work, new Float32Array(longest), target, advance)));
}

function chunksOf({ weight: { source }, offset }: PlacedWeight): Chunk[] {
  const [count, row] = [rowsIn(source), rowSize(source)];
  const many = Math.max(1, Math.floor(CHUNK / (4 * row)));
  return Array.from({ length: Math.ceil(count / many) }, (_, i) => {
    const rows = { first: i * many, end: Math.min((i + 1) * many, count) };
    return { source, rows, offset: offset + 4 * rows.first * row };
  });
}

function numbersIn({ source, rows }: Chunk): number {
  return (rows.end - rows.first) * rowSize(source);
}

async function lane(
  work: Iterator<Chunk>,
  memory: Float32Array,
  target: FileHandle,
  advance: (numbers: number) => void,
): Promise<void> {
  for (let next = work.next(); !next.done; next = work.next()) {
    const { source, rows, offset } = next.value;
    const numbers = memory.subarray(0, numbersIn(next.value));
    await readRows(source, numbers, rows);
    await writeWhole(target, new Uint8Array(numbers.buffer, 0, numbers.byteLength), offset);
    advance(numbers.length);
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Waits until all have settled, since they share a file that is about to be closed; then throws the first error. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
