export { ChangedError, FetchError, JobError, WorkerError } from "./errors.ts";
export { type Item, inputsPath, isFinished, itemsOf, type Job, openJob, type ShardResult, shardPath } from "./job.ts";
export { type JobStatus, jobStatus } from "./job-status.ts";
export type { Digests, Manifest } from "./manifest.ts";
export { type JobOptions, prepareJob } from "./prepare-job.ts";
export { openBoard } from "./redis/board.ts";
export type { Enqueued } from "./redis/enqueue.ts";
export {
  enqueueJob,
  jobQueueStatus,
  retryJob,
  type WorkOptions,
  workOnJobs,
} from "./redis/job-queue.ts";
export type { AttemptOptions, QueueOptions } from "./redis/queue.ts";
export { RedisError } from "./redis/server.ts";
export type { FailedTask, QueueCounts, QueueStatus } from "./redis/status.ts";
export type { Worked } from "./redis/work.ts";
export { type Format, formats, type Output, outputs, type Row } from "./row.ts";
export { type RunOptions, runJob, type Share } from "./run-job.ts";
export { type SheetGroup, type SheetOptions, writeContactSheet } from "./search/contact-sheet.ts";
export type { IndexHeader } from "./search/index-file.ts";
export { makeIndex } from "./search/make-index.ts";
export type { Neighbour } from "./search/nearest.ts";
export { type Found, findDuplicates, type SearchOptions, type SearchWork, search } from "./search/search.ts";
export { readShard } from "./shard/rows.ts";
export { ShardWorkers } from "./shard/workers.ts";
