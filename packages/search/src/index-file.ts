import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, type Signal, throwIfAborted } from "@residual/core";
import { cosineOf } from "./vectors.ts";

/** The files of an index folder. */
export const files = { header: "index.json", rows: "embeddings.f32" } as const;

export const VERSION = 1;

export interface IndexHeader {
  readonly version: typeof VERSION;
  /** Digest of the job's manifest and of its finished shards: another digest means that the index is stale. */
  readonly source: string;
  /** Pictures of the job, in the order of its shards. A row each. */
  readonly rows: number;
  readonly dimensions: number;
  /** Rows with an embedding. Pictures with errors have none, nor have embeddings of zeros a direction. */
  readonly filled: number;
}

/** Rows `first` to before `first + count`. `data` [count, dimensions] is valid until the next block but one. */
export interface Block {
  readonly first: number;
  readonly count: number;
  readonly data: Float32Array;
}

export interface BlockOptions {
  /** The first row. Default 0 */
  readonly first?: number;
  readonly signal?: Signal | undefined;
}

/**
 * Unit vectors in a file, float32 [rows, dimensions] in the machine's byte order, read in blocks: the memory of a
 * search does not depend on their number. Rows without an embedding are NaN, which reaches no threshold.
 */
export class IndexFile implements AsyncDisposable {
  readonly header: IndexHeader;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(header: IndexHeader, path: string, file: FileHandle) {
    this.header = header;
    this.#path = path;
    this.#file = file;
  }

  /** Throws FormatError for a damaged index. */
  static async open(folder: string): Promise<IndexFile> {
    const header = await readHeader(folder);
    const path = join(folder, files.rows);
    const file = await open(path).catch((cause: unknown) => {
      throw damaged(path, "it cannot be read", cause);
    });
    const index = new IndexFile(header, path, file);
    const { size } = await file.stat();
    if (size === index.bytes) return index;
    await file.close();
    throw damaged(path, `it has ${size} bytes, expected ${index.bytes}`);
  }

  get bytes(): number {
    return 4 * this.header.rows * this.header.dimensions;
  }

  /** Rows to the last, in blocks of at most `bytes`. The next block is read while the caller works on one. */
  async *blocks(bytes: number, { first = 0, signal }: BlockOptions = {}): AsyncGenerator<Block, void, undefined> {
    const { rows, dimensions } = this.header;
    const count = Math.min(rowsIn(bytes, dimensions), rows - first);
    const memory = [0, 1].map(() => new Float32Array(count * dimensions)) as [Float32Array, Float32Array];
    const start = (at: number) => {
      memory.reverse();
      const block = at < rows ? this.read(at, Math.min(count, rows - at), memory[0]) : undefined;
      block?.catch(() => {}); // it is awaited later, when the caller is done with its block
      return block;
    };
    let next = start(first);
    try {
      for (let at = first + count; next; at += count) {
        const block: Block = await next;
        throwIfAborted(signal);
        next = start(at);
        yield block;
      }
    } finally {
      await next?.catch(() => {}); // no file is closed while it is read
    }
  }

  async read(first: number, count: number, into?: Float32Array): Promise<Block> {
    const { dimensions } = this.header;
    const data = into?.subarray(0, count * dimensions) ?? new Float32Array(count * dimensions);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let done = 0; done < bytes.length; ) {
      const position = first * dimensions * 4 + done;
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, position);
      if (bytesRead === 0) throw damaged(this.#path, `it ends at byte ${position}, expected ${this.bytes}`);
      done += bytesRead;
    }
    return { first, count, data };
  }

  /** A cosine in millionths, from the product of two vectors; NaN of a row without one. Throws FormatError beyond 1. */
  cosineOf(product: number): number {
    const cosine = cosineOf(product);
    if (Math.abs(cosine) > 1) throw damaged(this.#path, `a cosine of ${cosine}, so its rows are not unit vectors`);
    return cosine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** The number of rows that fit in `bytes`, at least 1. */
export function rowsIn(bytes: number, dimensions: number): number {
  return Math.max(1, Math.floor(bytes / (4 * dimensions)));
}

/** Throws FormatError for a missing or damaged header. */
export async function readHeader(folder: string): Promise<IndexHeader> {
  const path = join(folder, files.header);
  let header: Partial<IndexHeader> | null;
  try {
    header = JSON.parse(await readFile(path, "utf8")) as typeof header;
  } catch (cause) {
    throw damaged(path, "it cannot be read as JSON", cause);
  }
  const { version, source, rows, dimensions, filled } = header ?? {};
  const counts = [rows, dimensions, filled].every((count) => Number.isSafeInteger(count) && count! >= 0);
  if (version === VERSION && typeof source === "string" && counts) return header as IndexHeader;
  throw damaged(path, `it is not the header of an index of version ${VERSION}`);
}

function damaged(path: string, what: string, cause?: unknown): FormatError {
  return new FormatError(`${path}: ${what}; make the index again with residual bulk index`, { cause });
}
