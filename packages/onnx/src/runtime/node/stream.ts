import { type FileHandle, open } from "node:fs/promises";
import { type FileSource, FormatError, type Tensor, throwIfAborted, type WorkOptions } from "@residual/core";
import type { PlacedTensor } from "../../external-data.ts";
import { byteLength, bytesOf } from "../../model-proto.ts";

/** In bytes: what fits into a core's own cache, so that numbers are still there when they are scaled and written. */
const CHUNK = 1 << 20;

/** So many chunks are under way at a time: one being read, one scaled, one written. */
const LANES = 3;

/** A chunk of a tensor that lies in a file. `begin` and `end` are bytes of the tensor, `offset` is the tensor's in the new file. */
interface Chunk {
  readonly source: FileSource;
  readonly gain: Gain | undefined;
  readonly begin: number;
  readonly end: number;
  readonly offset: number;
}

interface Gain {
  readonly rows: Float64Array;
  /** Numbers of a row. */
  readonly length: number;
}

/**
 * Writes weights to a new file, each at its place. Those that lie in a file are read from there chunk by chunk, and scaled
 * on the way where a norm was folded into them; so no more than a few chunks are ever in memory.
 *
 * Throws FormatError where a file has changed since it was read, AbortError, and what the file system throws.
 */
export async function streamWeights(
  pieces: readonly PlacedTensor[],
  path: string,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  await using target = await open(path, "wx");
  const chunks = pieces.flatMap(chunksOf);
  const sources = new Map(chunks.map(({ source }) => [source.path, source]));
  await using files = new OpenFiles();
  for (const { path } of sources.values()) await files.add(path);
  const work = chunks.values(); // one iterator for all lanes
  const total = chunks.reduce((sum, { begin, end }) => sum + end - begin, 0);
  let done = 0;
  const advance = (bytes: number) => {
    throwIfAborted(signal);
    done += bytes;
    onProgress?.({ stage: "stream weights", done, total });
  };
  await allDone(Array.from({ length: LANES }, () => lane(work, files, target, advance)));
  for (const { tensor, offset } of pieces) {
    if (!sourceOf(tensor)) await writeWhole(target, bytesOf(tensor), offset);
  }
  for (const source of sources.values()) {
    if (!(await source.isCurrent()))
      throw new FormatError(`${source.path}: the file has changed since it was opened; read it again`);
  }
}

function sourceOf({ source, scaled }: Tensor<"float32">): FileSource | undefined {
  return source ?? scaled?.of.source;
}

function chunksOf({ tensor, offset }: PlacedTensor): Chunk[] {
  const source = sourceOf(tensor);
  if (!source) return [];
  const { scaled } = tensor;
  const length = byteLength(tensor);
  const gain = scaled && { rows: scaled.gain, length: length / 4 / scaled.gain.length };
  return Array.from({ length: Math.ceil(length / CHUNK) }, (_, i) => {
    return { source, gain, begin: i * CHUNK, end: Math.min((i + 1) * CHUNK, length), offset };
  });
}

async function lane(
  work: Iterator<Chunk>,
  files: OpenFiles,
  target: FileHandle,
  advance: (bytes: number) => void,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (let next = work.next(); !next.done; next = work.next()) {
    const { source, gain, begin, end, offset } = next.value;
    const bytes = buffer.subarray(0, end - begin);
    await readWhole(files.get(source.path), bytes, source.offset + begin, source.path);
    if (gain) scale(new Float32Array(bytes.buffer, 0, bytes.length / 4), gain, begin / 4);
    await writeWhole(target, bytes, offset + begin);
    advance(bytes.length);
  }
}

/** Numbers of a tensor from its `first` on, each times its row's gain, in float64, rounded once. */
function scale(numbers: Float32Array, { rows, length }: Gain, first: number): void {
  for (let i = 0; i < numbers.length; ) {
    const row = Math.floor((first + i) / length);
    const factor = rows[row]!;
    const end = Math.min((row + 1) * length - first, numbers.length);
    for (; i < end; i++) numbers[i]! *= factor;
  }
}

async function readWhole(file: FileHandle, into: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0)
      throw new FormatError(`${path}: it ends at byte ${position + done}; it has been cut short, read it again`);
    done += bytesRead;
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Waits for all, whatever becomes of them, since they share files that are about to be closed; then the first failure. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}

/** The files that weights come from, opened once. */
class OpenFiles implements AsyncDisposable {
  readonly #files = new Map<string, FileHandle>();

  async add(path: string): Promise<void> {
    const file = await open(path).catch((cause: unknown) => {
      throw new FormatError(`${path}: the weights' file cannot be opened any more; read it again`, { cause });
    });
    this.#files.set(path, file);
  }

  get(path: string): FileHandle {
    return this.#files.get(path)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }
}
