import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { UnsupportedError, type WorkOptions } from "@residual/core";
import { digestOf, imageCount, isFinished, type Job, readShard, shardPath } from "@residual/shards";
import { files, IndexFile, type IndexHeader, readHeader } from "./index-file.ts";
import { writeIndex } from "./write-index.ts";

const indexFolder = ({ out }: Job): string => join(out, "index");

/**
 * Makes the index of a job's embeddings, `out/index`, in place of an older one. Pictures of unfinished shards have no
 * embedding yet. Memory: a shard. Progress counts pictures.
 *
 * Throws UnsupportedError for a job without embeddings, FormatError for a damaged shard and for a folder that cannot be
 * written, AbortError.
 */
export async function makeIndex(job: Job, { signal, onProgress }: WorkOptions = {}): Promise<IndexHeader> {
  checkEmbeddings(job);
  const source = await sourceOf(job); // before reading: a shard that is finished meanwhile makes the index stale
  const onDone = (done: number) => onProgress?.({ stage: "index", done, total: job.manifest.images });
  return writeIndex(indexFolder(job), source, embeddingsOf(job, onDone), { signal });
}

/** Throws UnsupportedError for a job without embeddings. */
export function checkEmbeddings({ out, manifest: { outputs } }: Job): void {
  if (outputs.includes("embedding")) return;
  throw new UnsupportedError(
    `${out}: the job wrote ${outputs.join(", ")}, and a search needs embeddings; run a job with --outputs embedding`,
  );
}

/** Opens the index of a job. Makes it first if it is missing or stale. Throws as `makeIndex` does. */
export async function openIndex(
  job: Job,
  work: WorkOptions & { readonly onWarning?: ((message: string) => void) | undefined } = {},
): Promise<IndexFile> {
  const folder = indexFolder(job);
  const isThere = existsSync(join(folder, files.header));
  const isStale = isThere && (await readHeader(folder)).source !== (await sourceOf(job));
  if (isStale) work.onWarning?.(`${folder} is stale, since the job went on after it; it is made again`);
  if (!isThere || isStale) await makeIndex(job, work);
  return IndexFile.open(folder);
}

/** Changes with the job's manifest, and with every shard that is finished. */
async function sourceOf(job: Job): Promise<string> {
  const sizes: number[] = [];
  for (let shard = 0; shard < job.manifest.shards; shard++)
    sizes.push(
      await stat(shardPath(job, shard)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return hash("sha256", `${digestOf(job)} ${sizes.join(",")}`);
}

/** The embeddings of a job's pictures, in order; undefined for a picture with an error or of an unfinished shard. */
async function* embeddingsOf(
  job: Job,
  onDone: (pictures: number) => void,
): AsyncGenerator<readonly number[] | undefined, void, undefined> {
  let done = 0;
  for (let shard = 0; shard < job.manifest.shards; shard++) {
    const length = imageCount(job, shard);
    const rows = isFinished(job, shard) ? await readShard(job, shard) : Array.from<undefined>({ length });
    for (const row of rows) yield row?.embedding ?? undefined;
    done += length;
    onDone(done);
  }
}
