import { throwIfAborted, type WorkOptions } from "@residual/core";
import { nextTurn } from "@residual/kit/turns";
import { OptionError } from "@residual/pipeline";
import { type Block, type IndexFile, rowsIn } from "./index-file.ts";
import { byCosine, type NameOf, type Neighbour } from "./nearest.ts";
import { Sets } from "./sets.ts";
import { compareSketches, type Sketches, sketcher } from "./sketch.ts";
import { cosineOf, MILLIONTH } from "./vectors.ts";

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
    const a = { ...left, sketches: sketchesOf(left) };
    for await (const right of index.blocks(block, { first, signal })) {
      const b = { ...right, sketches: sketchesOf(right) };
      for (let at = 0; at < right.count; at += STRIPE) {
        done += joinStripe(a, b, at, { sets, threshold, dimensions });
        onProgress?.({ stage: "compare", done, total: (rows * (rows - 1)) / 2 });
        await nextTurn();
        throwIfAborted(signal);
      }
    }
  }
  return sets;
}

type Sketched = Block & { readonly sketches: Sketches };

interface Joining {
  readonly sets: Sets;
  readonly threshold: number;
  readonly dimensions: number;
}

/** Compares rows of `b` from `first` on with the rows of `a` before them. Returns the number of pairs. */
function joinStripe(a: Sketched, b: Sketched, first: number, { sets, threshold, dimensions }: Joining): number {
  const end = Math.min(first + STRIPE, b.count);
  let pairs = 0;
  for (let i = 0; i < a.count && a.first + i < b.first + end - 1; i++) {
    const begin = Math.max(first, a.first + i + 1 - b.first);
    pairs += end - begin;
    // a multiple of 4 before `begin`, as sketches are compared by fours
    compareSketches(a.sketches, i, b.sketches, { first: begin - (begin % 4), end }, threshold - MILLIONTH, (j) => {
      if (j < begin || j >= end || sets.first(a.first + i) === sets.first(b.first + j)) return;
      const cosine = cosineOf(a.data, i * dimensions, b.data, j * dimensions, dimensions);
      if (cosine >= threshold) sets.join(a.first + i, b.first + j);
    });
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
  const [head] = order;
  const { data: first } = await index.read(head!, 1);
  const pictures: Neighbour[] = [];
  for (const row of order) {
    const { data } = await index.read(row, 1);
    pictures.push({ image: names.get(row)!, cosine: cosineOf(first, 0, data, 0, first.length) });
  }
  return pictures.sort(byCosine);
}
