import fc from "fast-check";
import { IndexFile } from "../index-file.ts";
import { writeIndex } from "../write-index.ts";

export type Vector = readonly number[];

/** A row without an embedding is undefined. */
export type Rows = readonly (Vector | undefined)[];

export async function indexOf(path: string, rows: Rows): Promise<IndexFile> {
  await writeIndex(path, "source", rows);
  return IndexFile.open(path);
}

/** The cosine of two vectors that became unit vectors in float32, in millionths. */
export function cosine(a: Vector, b: Vector): number {
  const unit = (vector: Vector) => vector.map((value) => Math.fround(value / Math.hypot(...vector)));
  const [u, v] = [unit(a), unit(b)];
  return Math.round(u.reduce((sum, value, k) => sum + value * v[k]!, 0) * 1e6) / 1e6;
}

/** Whether a row has no direction. */
export const isEmpty = (row: Vector | undefined): boolean => row === undefined || row.every((value) => value === 0);

/** Small whole numbers, so that equal rows and cosines are frequent. Some rows are zero, some have no embedding. */
export const tables: fc.Arbitrary<{ readonly rows: Rows; readonly query: Vector }> = fc
  .integer({ min: 1, max: 40 })
  .chain((dimensions) => {
    const vector = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: dimensions, maxLength: dimensions });
    return fc.record({
      rows: fc.array(fc.option(vector, { nil: undefined, freq: 6 }), { maxLength: 40 }),
      query: vector.filter((each) => !isEmpty(each)),
    });
  });

/** The memory of blocks: from one row at a time to all rows at once. */
export const blockBytes: fc.Arbitrary<number> = fc.integer({ min: 1, max: 8000 });
