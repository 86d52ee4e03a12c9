export { ChangedError, FetchError, JobError, WorkerError } from "./errors.ts";
export {
  digestOf,
  type Item,
  imageCount,
  inputsPath,
  isFinished,
  itemsOf,
  type Job,
  openJob,
  type ShardResult,
  shardPath,
} from "./job.ts";
export { type JobStatus, jobStatus } from "./job-status.ts";
export { type Entry, openJournal, readJournal, type ShardFailure } from "./journal.ts";
export type { Digests, Manifest } from "./manifest.ts";
export { type JobOptions, prepareJob } from "./prepare-job.ts";
export { type Format, formats, type Output, outputs, type Row } from "./row.ts";
export { isUrl } from "./shard/fetch-picture.ts";
export { openModel, type ShardModel } from "./shard/model.ts";
export { pictureBytes } from "./shard/read-picture.ts";
export { readShard } from "./shard/rows.ts";
export { runShard } from "./shard/run-shard.ts";
export { ShardWorkers } from "./shard/workers.ts";
export { journalPath, type Share, shardsOf, wholeJob } from "./share.ts";
