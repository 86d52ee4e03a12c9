import { FormatError, type WorkOptions } from "@residual/core";
import { itemsOf, type Job, openModel } from "@residual/shards";
import { decodeInto, type Picture } from "@residual/vision";
import { duplicates } from "./duplicates.ts";
import { checkEmbeddings, openIndex } from "./make-index.ts";
import { type NameOf, type Neighbour, nearest } from "./nearest.ts";
import { unitOf } from "./vectors.ts";

export interface SearchWork extends WorkOptions {
  /** Called if the index is stale. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface SearchOptions extends SearchWork {
  /** Number of neighbours. Default 20 */
  readonly top?: number | undefined;
}

export interface Found {
  /** Nearest first; equal cosines are in the order of the pictures' names. */
  readonly nearest: readonly Neighbour[];
  /** Pictures with an embedding, which the query was compared with. */
  readonly pictures: number;
  /** Bytes of the embeddings, and the milliseconds that reading and comparing them took. */
  readonly bytes: number;
  readonly ms: number;
}

/**
 * The pictures of a job that are most like a picture, by the cosines of their embeddings: exact, since the query is
 * compared with all. The query's embedding is computed as the job's were. Makes the job's index if it is missing or
 * stale. Memory does not depend on the number of pictures.
 *
 * Throws UnsupportedError for a job without embeddings, WeightsError if the weights are no longer those of the job,
 * FormatError for a damaged index or shard and for a query that is no picture, AbortError.
 */
export async function search(job: Job, picture: Picture, options: SearchOptions = {}): Promise<Found> {
  const { top = 20, ...work } = options;
  checkEmbeddings(job);
  const query = await embeddingOf(job, picture, work);
  await using index = await openIndex(job, work);
  const start = performance.now();
  const found = await nearest(index, namesOf(job), query, { ...work, top });
  return { nearest: found, pictures: index.header.filled, bytes: index.bytes, ms: performance.now() - start };
}

/**
 * Groups of near duplicates among a job's pictures, largest first: see `duplicates`. Makes the job's index if it is
 * missing or stale. Throws OptionError for a threshold out of range, and as `search` does.
 */
export async function findDuplicates(
  job: Job,
  options: SearchWork & { readonly threshold: number },
): Promise<readonly (readonly Neighbour[])[]> {
  await using index = await openIndex(job, options);
  return await duplicates(index, namesOf(job), options); // before the index is closed
}

async function embeddingOf({ manifest }: Job, picture: Picture, { signal }: WorkOptions): Promise<Float32Array> {
  const { preprocessing, maxPixels, batch } = manifest;
  const size = 3 * preprocessing.crop ** 2;
  const data = new Float32Array(batch * size);
  await decodeInto(picture, preprocessing, data.subarray(0, size), { signal, maxPixels: maxPixels ?? undefined });
  await using model = await openModel(manifest);
  const [answer] = await model.answer(data, 1);
  if (answer instanceof Error) throw answer;
  const unit = unitOf(answer!.embedding!);
  if (unit) return unit;
  throw new FormatError("the query's embedding is zero, and so like no other; give another picture");
}

/** Names by row. Keeps the list of the last shard, since rows are mostly asked for in order. */
function namesOf(job: Job): NameOf {
  const { shardSize } = job.manifest;
  let kept: { readonly shard: number; readonly items: ReturnType<typeof itemsOf> } | undefined;
  return async (row) => {
    const shard = Math.floor(row / shardSize);
    if (kept?.shard !== shard) kept = { shard, items: itemsOf(job, shard) };
    return (await kept.items)[row % shardSize]!.image;
  };
}
