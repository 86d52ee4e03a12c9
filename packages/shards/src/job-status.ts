import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { imageCount, isFinished, type Job } from "./job.ts";
import { readJournal, type ShardFailure } from "./journal.ts";

export interface JobStatus {
  readonly images: number;
  readonly shards: number;
  /** Finished shards, and their pictures. */
  readonly done: { readonly images: number; readonly shards: number };
  /** Rows with an error, in the finished shards that a journal has. */
  readonly errors: number;
  /** Shards that are set aside. */
  readonly failed: readonly ShardFailure[];
}

/** How far a job is, whoever runs it: read from its folder. */
export async function jobStatus(job: Job): Promise<JobStatus> {
  const { images, shards } = job.manifest;
  const finished = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => isFinished(job, shard));
  const names = (await readdir(job.out)).filter((name) => /^journal.*\.jsonl$/.test(name)).sort();
  const journals = await Promise.all(names.map((name) => readJournal(join(job.out, name))));
  const entries = new Map(journals.flatMap((journal) => [...journal]));
  return {
    images,
    shards,
    done: { images: finished.reduce((sum, shard) => sum + imageCount(job, shard), 0), shards: finished.length },
    errors: finished.reduce((sum, shard) => sum + errorsOf(entries.get(shard)), 0),
    failed: [...entries.values()].flatMap((entry) => ("code" in entry && !isFinished(job, entry.shard) ? [entry] : [])),
  };
}

const errorsOf = (entry: object | undefined): number => (entry && "errors" in entry ? Number(entry.errors) : 0);
