import type { Job, JobStatus, Share } from "@residual/bulk";
import { Command, InvalidArgumentError } from "commander";
import { type Bulk, bulkPackage, type JobFlags, jobOf, withJobFlags } from "../bulk-job.ts";
import { type Context, command, positive, withExamples } from "../command.ts";
import { type Bar, bold, complain, type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";
import {
  boardCommand,
  enqueueCommand,
  type QueueFlags,
  queueOption,
  queueStatusOf,
  redisOption,
  retryOnQueue,
  workCommand,
} from "./bulk-queue.ts";
import { indexCommand } from "./search.ts";

interface RunOptions extends JobFlags {
  readonly workers?: number;
  readonly shard?: Share;
}

/** Predictions or embeddings of many pictures. */
export function bulkCommand(context: Context): Command {
  const group = new Command("bulk").description("predictions or embeddings of many pictures, as Parquet");
  const queue = [enqueueCommand(context), workCommand(context), boardCommand(context)];
  const own = [runCommand(context), statusCommand(), retryCommand(context), indexCommand(context)];
  for (const each of [...own, ...queue]) group.addCommand(each);
  return withExamples(group, ["bulk run --input photos/ --out out/", "bulk status out/"]);
}

function runCommand({ signal }: Context): Command {
  const run = command("run", "run a job, or go on with the one in --out", [
    "bulk run --input 'photos/**/*.jpg' --model resnet50 --weights resnet50 --out out/",
    "bulk run --input s3-urls.txt --outputs predictions,embedding --out out/ --shard 3/8",
  ])
    .option("--workers <n>", "processes that run the model; one per core where not given", positive)
    .option("--shard <i/n>", "run every n-th shard from i on, from 0; auto/n takes i of the cluster's job", shareOf);
  return withJobFlags(run).action((options: RunOptions) =>
    runJobOf({ ...options, signal }, (bulk, onProgress) => jobOf(bulk, { ...options, signal, onProgress })),
  );
}

function statusCommand(): Command {
  return command("status", "how far a job is, read from its folder", ["bulk status out/"])
    .argument("<out>", "the job's folder")
    .addOption(redisOption())
    .addOption(queueOption())
    .action(async (out: string, options: Output & Partial<QueueFlags>) => {
      const bulk = await bulkPackage();
      const job = await bulk.openJob(out);
      const status = await bulk.jobStatus(job);
      const queue = await queueStatusOf(bulk, job, status, options);
      const lines = () => [summary(out, status), ...status.failed.map(reason), ...queue.lines];
      say(options, { out: job.out, ...status, ...queue.report }, lines);
    });
}

function retryCommand({ signal }: Context): Command {
  return command("retry", "run shards again that were set aside, or whose pictures could not be fetched", [
    "bulk retry out/",
  ])
    .argument("<out>", "the job's folder")
    .option("--workers <n>", "processes that run the model; one per core where not given", positive)
    .addOption(redisOption("with --redis, the shards set aside go back to the queue"))
    .addOption(queueOption())
    .action((out: string, { redis, queue, ...options }: Work & Partial<QueueFlags>) =>
      redis === undefined
        ? runJobOf({ ...options, signal, retry: true }, ({ openJob }) => openJob(out))
        : retryOnQueue(out, { ...options, redis, queue }),
    );
}

interface Work extends Output {
  readonly workers?: number;
  readonly shard?: Share;
  readonly retry?: boolean;
}

/** Runs a job to its end, and says how it ended. Shards that are set aside are named on stderr, with exit code 1. */
async function runJobOf(
  { workers, shard, retry, signal, ...output }: Work & Context,
  makeJob: (bulk: Bulk, onProgress: Bar["onProgress"]) => Promise<Job>,
): Promise<void> {
  const bulk = await bulkPackage();
  const bar = progressBar();
  try {
    const job = await makeJob(bulk, bar.onProgress);
    const onProgress = withRate(bar.onProgress);
    await bulk.runJob(job, { workers, share: shard, retry, signal, onProgress, onWarning: remarkInLines });
    bar.end();
    const status = await bulk.jobStatus(job);
    say(output, { out: job.out, ...status }, () => [summary(job.out, status)]);
    const { model, weights, backend, batch } = job.manifest;
    remark(`${model} with ${weights}, on ${backend}, in batches of ${batch}`);
    for (const { code, message } of status.failed) complain(code, message);
    if (status.failed.length > 0) process.exitCode = 1;
  } finally {
    bar.end();
  }
}

/** Names the stage by its speed: `42.1 pictures/s`. */
function withRate(onProgress: Bar["onProgress"]): Bar["onProgress"] {
  const begin = performance.now();
  let first: number | undefined;
  return ({ done, total }) => {
    first ??= done; // what earlier runs did took no time of this one
    const rate = ((done - first) * 1000) / (performance.now() - begin);
    onProgress({ stage: `${rate.toFixed(1)} pictures/s`, done, total });
  };
}

function summary(out: string, { images, done, shards, errors, failed }: JobStatus): string {
  const bad = errors > 0 ? `, ${errors} with an error` : "";
  const aside = failed.length > 0 ? `, ${failed.length} set aside` : "";
  return `${bold(out)}  ${done.images} of ${images} pictures${bad}, in ${done.shards} of ${shards} shards${aside}`;
}

const reason = ({ shard, code, message }: JobStatus["failed"][number]) => `  shard ${shard}  ${code}: ${message}`;

/** `3/8`; of `auto/8` the index comes from the environment that Kubernetes or Slurm sets. */
function shareOf(text: string): Share {
  const [, index, count] = /^(\d+|auto)\/(\d+)$/.exec(text) ?? [];
  const { JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID } = process.env;
  const given = index === "auto" ? (JOB_COMPLETION_INDEX ?? SLURM_ARRAY_TASK_ID) : index;
  if (count !== undefined && given !== undefined && Number(given) < Number(count))
    return { index: Number(given), count: Number(count) };
  throw new InvalidArgumentError(
    index === "auto" && given === undefined
      ? "neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set"
      : "expected i/n with i from 0 to n − 1, or auto/n",
  );
}
