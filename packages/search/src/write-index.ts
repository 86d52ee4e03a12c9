import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { check, throwIfAborted, type WorkOptions } from "@residual/core";
import { writeFolderAtomic } from "@residual/kit/files";
import { files, type IndexHeader, rowsIn, VERSION } from "./index-file.ts";
import { unitOf } from "./vectors.ts";

/** The embedding of each row; undefined for a row without one. */
export type Embeddings = AsyncIterable<ArrayLike<number> | undefined> | Iterable<ArrayLike<number> | undefined>;

/** Bytes of a write. */
const CHUNK = 4 << 20;

/**
 * Writes an index, which appears whole or not at all. `source` is the digest of the embeddings' origin. Memory does not
 * depend on the number of rows.
 *
 * S2  All embeddings have the same length.
 * Throws FormatError if the folder cannot be written, AbortError.
 */
export async function writeIndex(
  folder: string,
  source: string,
  embeddings: Embeddings,
  { signal }: Pick<WorkOptions, "signal"> = {},
): Promise<IndexHeader> {
  return writeFolderAtomic(folder, async (part) => {
    await using file = await open(join(part, files.rows), "wx");
    let [rows, dimensions, filled] = [0, 0, 0];
    let held: (Float32Array | undefined)[] = [];
    const flush = async () => {
      throwIfAborted(signal);
      await file.writeFile(matrixOf(held, dimensions));
      held = [];
    };
    for await (const embedding of embeddings) {
      dimensions ||= embedding?.length ?? 0;
      const length = embedding?.length ?? dimensions;
      check(
        length === dimensions,
        "search.S2",
        `row ${rows}: an embedding of ${length} numbers, expected ${dimensions}`,
      );
      const unit = embedding && unitOf(embedding);
      held.push(unit);
      rows++;
      if (unit) filled++;
      if (dimensions > 0 && held.length >= rowsIn(CHUNK, dimensions)) await flush();
    }
    await flush();
    await file.sync();
    const header: IndexHeader = { version: VERSION, source, rows, dimensions, filled };
    await writeFile(join(part, files.header), `${JSON.stringify(header, undefined, 2)}\n`);
    return header;
  });
}

/** [rows, dimensions] as bytes. A row without a vector is NaN. */
function matrixOf(vectors: readonly (Float32Array | undefined)[], dimensions: number): Uint8Array {
  const matrix = new Float32Array(vectors.length * dimensions).fill(Number.NaN);
  for (const [row, vector] of vectors.entries()) if (vector) matrix.set(vector, row * dimensions);
  return new Uint8Array(matrix.buffer);
}
