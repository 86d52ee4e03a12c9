import { check, type WorkOptions } from "@residual/core";
import type { IndexFile } from "./index-file.ts";
import { dots } from "./vectors.ts";

/** A picture of the index, and its cosine with another: in millionths, since the index holds float32. */
export interface Neighbour {
  readonly image: string;
  readonly cosine: number;
}

/** The name of a row's picture. */
export type NameOf = (row: number) => Promise<string>;

export interface NearestOptions extends WorkOptions {
  /** Number of neighbours. */
  readonly top: number;
  /** Bytes of a block of rows; two are in memory. Default 4 MiB, which fits in a processor's cache. */
  readonly block?: number;
}

/**
 * The `top` pictures with the largest cosines to `query` [dimensions], a unit vector. Compares the query with all rows.
 * Nearest first; equal cosines are in the order of their names. Progress counts rows.
 *
 * S1  The query has the index's dimensions.
 */
export async function nearest(
  index: IndexFile,
  nameOf: NameOf,
  query: Float32Array,
  { top, block = 4 << 20, signal, onProgress }: NearestOptions,
): Promise<readonly Neighbour[]> {
  const { rows, dimensions, filled } = index.header;
  if (filled === 0) return [];
  check(query.length === dimensions, "search.S1", `a query of ${query.length} numbers, expected ${dimensions}`);
  let best: readonly Neighbour[] = [];
  for await (const { first, count, data } of index.blocks(block, { signal })) {
    const cosines = new Float64Array(count);
    dots({ data: query, length: dimensions }, 0, { data, length: dimensions }, 0, count, cosines);
    for (let i = 0; i < count; i++) cosines[i] = index.cosineOf(cosines[i]!);
    const found: Neighbour[] = [];
    for (const i of largest(cosines, top, best[top - 1]?.cosine))
      found.push({ image: await nameOf(first + i), cosine: cosines[i]! });
    if (found.length > 0) best = [...best, ...found].sort(byCosine).slice(0, top);
    onProgress?.({ stage: "search", done: first + count, total: rows });
  }
  return best;
}

/** Indices of the `top` largest values from `least` on, with all that equal the last of them. NaN is left out. */
function largest(values: Float64Array, top: number, least = Number.NEGATIVE_INFINITY): readonly number[] {
  const order = [...values.keys()].filter((i) => values[i]! >= least).sort((a, b) => values[b]! - values[a]!);
  const last = values[order[top - 1] ?? Number.NaN];
  return last === undefined ? order : order.filter((i) => values[i]! >= last);
}

/** Largest first, then by name: by code units, independent of the language. */
export function byCosine(a: Neighbour, b: Neighbour): number {
  return b.cosine - a.cosine || (a.image < b.image ? -1 : a.image > b.image ? 1 : 0);
}
