import { availableParallelism } from "node:os";
import type { FailedTask, Job, JobStatus } from "@residual/bulk";
import { type Command, Option } from "commander";
import { type Bulk, bulkPackage, type JobFlags, jobOf, withJobFlags } from "../bulk-job.ts";
import { type Context, command, positive } from "../command.ts";
import { type Output, progressBar, remark, remarkInLines, say } from "../terminal.ts";

export interface QueueFlags {
  readonly redis: string;
  readonly queue?: string | undefined;
}

export function redisOption(
  description = "address of Redis: redis://[user:password@]host:port, rediss:// for TLS",
): Option {
  return new Option("--redis <url>", description);
}

export function queueOption(): Option {
  return new Option("--queue <name>", "the queue's name in Redis; residual-bulk where not given");
}

interface EnqueueFlags extends JobFlags, QueueFlags {
  readonly attempts?: number;
}

/** Prepares a job, and adds its shards to a queue. */
export function enqueueCommand({ signal }: Context): Command {
  const enqueue = command("enqueue", "add a job's shards to a queue on Redis, for workers on many machines", [
    "bulk enqueue --input 'photos/**/*.jpg' --model resnet50 --out /mnt/out --redis redis://queue:6379",
  ])
    .addOption(redisOption().makeOptionMandatory())
    .addOption(queueOption())
    .option("--attempts <n>", "attempts of a shard before it is set aside; 4 where not given", positive);
  return withJobFlags(enqueue).action(async ({ redis, queue, attempts, ...flags }: EnqueueFlags) => {
    const bulk = await bulkPackage();
    const bar = progressBar();
    try {
      const job = await jobOf(bulk, { ...flags, signal, onProgress: bar.onProgress });
      const found = await bulk.enqueueJob(job, { redis, queue, attempts, onWarning: remarkInLines });
      bar.end();
      const { added, queued, done } = found;
      say(flags, { out: job.out, ...found }, () => [`${added} shards added, ${queued} queued before, ${done} done`]);
    } finally {
      bar.end();
    }
  });
}

interface WorkFlags extends Output, QueueFlags {
  readonly concurrency?: number;
  readonly out?: string;
  readonly untilEmpty: boolean;
  readonly grace: number;
  readonly board?: number;
}

/** Works on the shards of a queue until SIGTERM. */
export function workCommand({ signal }: Context): Command {
  return command("work", "run shards of a queue, until SIGTERM or Ctrl-C", [
    "bulk work --redis redis://queue:6379",
    "bulk work --redis redis://queue:6379 --concurrency 4 --until-empty --board 8081",
  ])
    .addOption(redisOption().makeOptionMandatory())
    .addOption(queueOption())
    .option("--concurrency <n>", "processes that run the model; one per core where not given", positive)
    .option("--out <folder>", "the job's folder, if its path on this machine is another")
    .option("--until-empty", "end once the queue is empty", false)
    .option("--grace <seconds>", "for shards under way after SIGTERM; then they go back to the queue", positive, 20)
    .option("--board <port>", "serve Bull Board, a page about the queue, on loopback", positive)
    .action(async ({ concurrency = availableParallelism(), grace, board, ...flags }: WorkFlags) => {
      const { openBoard, workOnJobs } = await bulkPackage();
      const queue = { redis: flags.redis, queue: flags.queue, onWarning: remarkInLines };
      await using page = board === undefined ? undefined : await openBoard({ ...queue, port: board });
      if (page) remark(`Bull Board: ${page.url}`);
      const { out, untilEmpty } = flags;
      const work = { ...queue, out, untilEmpty, concurrency, grace: grace * 1000, signal };
      const worked = await workOnJobs({ ...work, onShard: ({ shard }) => remark(`shard ${shard} done`) });
      const { done, failed, returned } = worked;
      say(flags, worked, () => [`${done} shards done, ${failed} attempts failed, ${returned} shards given back`]);
    });
}

/** Serves Bull Board until Ctrl-C. */
export function boardCommand({ signal }: Context): Command {
  return command("board", "serve Bull Board, a page about the queue, until Ctrl-C", [
    "bulk board --redis redis://queue:6379 --port 8081",
  ])
    .addOption(redisOption().makeOptionMandatory())
    .addOption(queueOption())
    .option("--port <n>", "on loopback", positive, 8081)
    .action(async ({ redis, queue, port, ...output }: Output & QueueFlags & { readonly port: number }) => {
      const { openBoard } = await bulkPackage();
      await using page = await openBoard({ redis, queue, port, onWarning: remarkInLines });
      say(output, { url: page.url }, () => [`Bull Board: ${page.url}`]);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve(); // by Ctrl-C while the page was opened
        signal.addEventListener("abort", resolve, { once: true });
      });
    });
}

/** What the queue adds to the status of a job, where `--redis` names one. */
export async function queueStatusOf(
  { jobQueueStatus }: Bulk,
  job: Job,
  { done, shards }: JobStatus,
  { redis, queue }: Partial<QueueFlags>,
): Promise<{ readonly report: object; readonly lines: readonly string[] }> {
  if (redis === undefined) return { report: {}, lines: [] };
  const status = await jobQueueStatus(job, { redis, queue, onWarning: remarkInLines });
  const { waiting, active, delayed, failed } = status.counts;
  const counts = `queue  ${waiting} shards wait, ${active} run, ${delayed} wait for another attempt, ${failed} set aside`;
  const isIdle = waiting + active + delayed === 0;
  const lost = isIdle ? shards - done.shards - status.failed.length : 0;
  const advice = lost > 0 ? [`${lost} shards are neither done nor queued; bulk enqueue adds them`] : [];
  return { report: { queue: status }, lines: [counts, ...status.failed.map(reason), ...advice] };
}

const reason = ({ shard, attempts, reason }: FailedTask) => `  shard ${shard}  ${reason} (after ${attempts} attempts)`;

/** Puts a job's shards that are set aside into the queue again. */
export async function retryOnQueue(out: string, { redis, queue, ...output }: QueueFlags & Output): Promise<void> {
  const { openJob, retryJob } = await bulkPackage();
  const shards = await retryJob(await openJob(out), { redis, queue, onWarning: remarkInLines });
  say(output, { retried: shards.map(({ shard }) => shard) }, () => [`${shards.length} shards are queued again`]);
}
