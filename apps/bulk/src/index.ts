export { ChangedError, FetchError, JobError, WorkerError } from "./errors.ts";
export { type Item, inputsPath, itemsOf, type Job, openJob, type ShardResult, shardPath } from "./job.ts";
export type { Digests, Manifest } from "./manifest.ts";
export { type JobOptions, prepareJob } from "./prepare-job.ts";
export { type Format, formats, type Output, outputs, type Row } from "./row.ts";
export { readShard } from "./shard/rows.ts";
export type { ShardOptions } from "./shard/run-shard.ts";
export { ShardWorkers } from "./shard/workers.ts";
