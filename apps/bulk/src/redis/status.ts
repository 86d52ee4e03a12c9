import type { Queue } from "bullmq";
import { type Task, withQueue } from "./queue.ts";
import type { FailedTask, QueueCounts, QueueOptions, QueueStatus, ShardTask } from "./types.ts";

/** Failed tasks read at once. */
const PAGE = 500;

export async function queueStatus(
  options: QueueOptions & { readonly digest?: string | undefined },
): Promise<QueueStatus> {
  return withQueue(options, async (queue) => {
    const failed = await failedTasks(queue, options.digest);
    return { counts: await countsOf(queue), failed: failed.map(failedTask) };
  });
}

export async function countsOf(queue: Pick<Queue, "getJobCounts">): Promise<QueueCounts> {
  const states = ["wait", "prioritized", "active", "delayed", "failed"] as const;
  const { wait = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = await queue.getJobCounts(...states);
  return { waiting: wait + prioritized, active, delayed, failed };
}

function failedTask({ data, failedReason, attemptsMade }: Task): FailedTask {
  return { out: data.out, shard: data.shard, reason: failedReason, attempts: attemptsMade };
}

async function failedTasks(queue: Queue<ShardTask>, digest?: string): Promise<readonly Task[]> {
  const found: Task[] = [];
  for (let start = 0; ; start += PAGE) {
    const page = await queue.getFailed(start, start + PAGE - 1);
    found.push(...page.filter(({ data }) => digest === undefined || data.job === digest));
    if (page.length < PAGE) return found;
  }
}

/** Puts the shards set aside into the queue again, with all their attempts. Returns the shards. */
export async function retryFailed(
  options: QueueOptions & { readonly digest?: string | undefined },
): Promise<readonly FailedTask[]> {
  return withQueue(options, async (queue) => {
    const tasks = await failedTasks(queue, options.digest);
    const failed = tasks.map(failedTask); // before a retry resets them
    for (const task of tasks) {
      await forgetLostWorkers(queue, task.id!);
      await task.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
    }
    return failed;
  });
}

/** BullMQ's own retry keeps the count of lost workers: a shard set aside for it would have a single attempt. */
async function forgetLostWorkers(queue: Queue<ShardTask>, id: string): Promise<void> {
  const redis = await queue.getBackend().client;
  await redis.hdel(queue.toKey(id), "stc");
}
