import { throwIfAborted, type WorkOptions } from "@residual/core";
import { nextTurn } from "@residual/kit/turns";
import { OptionError } from "@residual/pipeline";
import { type Block, type IndexFile, rowsIn } from "./index-file.ts";
import { byCosine, type NameOf, type Neighbour } from "./nearest.ts";
import { Sets } from "./sets.ts";
import { sketcher } from "./sketch.ts";
import { cosineOf, dot, dots, type Matrix, MILLIONTH } from "./vectors.ts";

export interface DuplicatesOptions extends WorkOptions {
  /** The least cosine of near duplicates: more than 0, at most 1. */
  readonly threshold: number;
  /** Bytes of a block of rows; three are in memory. Default 32 MiB */
  readonly block?: number;
}

/** Rows of a block between two turns of the event loop. Their sketches fit in a processor's cache. */
const STRIPE = 512;

/**
 * Groups of near duplicates, largest first. Two pictures are near duplicates if their cosine reaches the threshold; a
 * group holds all pictures that such pairs connect. Cosines are to the group's first picture by name.
 *
 * Compares all pairs, so time grows with the square of the number of pictures. Progress counts pairs. Memory: three
 * blocks of 32 MiB with their sketches, and 4 bytes a picture. Throws OptionError for a threshold out of range,
 * AbortError.
 */
export async function duplicates(
  index: IndexFile,
  nameOf: NameOf,
  { threshold, block = 32 << 20, ...work }: DuplicatesOptions,
): Promise<readonly (readonly Neighbour[])[]> {
  if (!(threshold > 0 && threshold <= 1))
    throw new OptionError(`\`duplicates\` is ${threshold}, expected a cosine above 0, up to 1`);
  const sets = await connect(index, threshold, block, work);
  const groups = sets.groups();
  const names = new Map<number, string>();
  for (const row of groups.flat().sort((a, b) => a - b)) names.set(row, await nameOf(row)); // shard by shard
  const found: (readonly Neighbour[])[] = [];
  for (const group of groups) {
    throwIfAborted(work.signal);
    found.push(await described(index, group, names));
  }
  return found.sort((a, b) => b.length - a.length || (a[0]!.image < b[0]!.image ? -1 : 1));
}

/** Joins all pairs of rows whose cosine reaches the threshold. */
async function connect(
  index: IndexFile,
  threshold: number,
  block: number,
  { signal, onProgress }: WorkOptions,
): Promise<Sets> {
  const { rows, dimensions, filled } = index.header;
  const sets = new Sets(rows);
  if (filled === 0) return sets;
  const size = rowsIn(block, dimensions);
  let sketchesOf: ReturnType<typeof sketcher> | undefined;
  let done = 0;
  for (let first = 0; first < rows; first += size) {
    const left = await index.read(first, Math.min(size, rows - first));
    sketchesOf ??= sketcher(left, dimensions);
    const a = { ...left, length: dimensions, sketches: sketchesOf(left) };
    for await (const right of index.blocks(block, { first, signal })) {
      const b = { ...right, length: dimensions, sketches: sketchesOf(right) };
      for (let at = 0; at < right.count; at += STRIPE) {
        done += joinStripe(a, b, at, threshold, sets);
        onProgress?.({ stage: "compare", done, total: (rows * (rows - 1)) / 2 });
        await nextTurn();
        throwIfAborted(signal);
      }
    }
  }
  return sets;
}

type Rows = Block & Matrix & { readonly sketches: Matrix };

/** Compares rows of `b`, from `begin` on, with the rows of `a` before them. Returns the number of pairs. */
function joinStripe(a: Rows, b: Rows, begin: number, threshold: number, sets: Sets): number {
  const end = Math.min(begin + STRIPE, b.count);
  const products = new Float64Array(STRIPE);
  let pairs = 0;
  for (let i = 0, row = a.first; i < a.count && row + 1 < b.first + end; i++, row++) {
    const first = Math.max(begin, row + 1 - b.first);
    dots(a.sketches, i, b.sketches, first, end, products);
    pairs += end - first;
    for (let j = first; j < end; j++) {
      if (!(products[j - first]! >= threshold - MILLIONTH) || sets.first(row) === sets.first(b.first + j)) continue;
      if (cosineOf(dot(a, i, b, j)) >= threshold) sets.join(row, b.first + j);
    }
  }
  return pairs;
}

/** The pictures of a group, with their cosines to the first by name. */
async function described(
  index: IndexFile,
  group: readonly number[],
  names: ReadonlyMap<number, string>,
): Promise<readonly Neighbour[]> {
  const order = group.toSorted((a, b) => (names.get(a)! < names.get(b)! ? -1 : 1));
  const length = index.header.dimensions;
  const { data: head } = await index.read(order[0]!, 1);
  const pictures: Neighbour[] = [];
  for (const row of order) {
    const { data } = await index.read(row, 1);
    pictures.push({
      image: names.get(row)!,
      cosine: index.cosineOf(dot({ data: head, length }, 0, { data, length }, 0)),
    });
  }
  return pictures.sort(byCosine);
}
