export {
  type Job,
  type JobOptions,
  type JobStatus,
  jobStatus,
  type Output,
  openJob,
  prepareJob,
  type Row,
  readShard,
  type Share,
} from "@residual/shards";
export { openBoard } from "./redis/board.ts";
export type { Enqueued } from "./redis/enqueue.ts";
export { enqueueJob, jobQueueStatus, retryJob, type WorkOptions, workOnJobs } from "./redis/job-queue.ts";
export { RedisError } from "./redis/server.ts";
export type { AttemptOptions, FailedTask, QueueCounts, QueueOptions, QueueStatus } from "./redis/types.ts";
export type { Worked } from "./redis/work.ts";
export { type RunOptions, runJob } from "./run-job.ts";
