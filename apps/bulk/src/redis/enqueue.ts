import type { Queue } from "bullmq";
import { taskId, taskOptions, withQueue } from "./queue.ts";
import type { AttemptOptions, QueuedJob, QueueOptions, ShardTask } from "./types.ts";

/** Shards sent to Redis at once: one transaction of about half a megabyte. */
const CHUNK = 1000;

export interface Enqueued {
  /** Shards that were added to the queue. */
  readonly added: number;
  /** Shards that the queue held already; those set aside too. */
  readonly queued: number;
  /** Shards with a result. */
  readonly done: number;
}

/**
 * Adds the shards without a result to the queue. A second call adds only the shards that the queue has lost.
 *
 * @param done the shards that have a result
 */
export async function enqueueShards(
  job: QueuedJob,
  done: ReadonlySet<number>,
  options: QueueOptions & AttemptOptions,
): Promise<Enqueued> {
  const shards = Array.from({ length: job.shards }, (_, shard) => shard).filter((shard) => !done.has(shard));
  const added = await withQueue(options, async (queue) => {
    await forgetDone(queue, job, done);
    let sum = 0;
    for (let start = 0; start < shards.length; start += CHUNK) {
      const tasks = shards.slice(start, start + CHUNK).map((shard) => ({ out: job.out, job: job.digest, shard }));
      sum += await add(queue, tasks, options);
    }
    return sum;
  });
  return { added, queued: shards.length - added, done: done.size };
}

/** Adds tasks; returns the number of tasks that were new. */
async function add(queue: Queue<ShardTask>, tasks: readonly ShardTask[], options: AttemptOptions): Promise<number> {
  const states = await Promise.all(tasks.map((task) => queue.getJobState(taskId(task))));
  const fresh = tasks.filter((_, index) => states[index] === "unknown");
  await queue.addBulk(
    fresh.map((data) => ({ name: "shard", data, opts: { ...taskOptions(options), jobId: taskId(data) } })),
  );
  return fresh.length;
}

/** Removes completed tasks whose result file has been deleted since: their ids would keep the shards out. */
async function forgetDone(queue: Queue<ShardTask>, job: QueuedJob, done: ReadonlySet<number>): Promise<void> {
  for (const task of await queue.getCompleted()) {
    const { out, job: digest, shard } = task.data;
    if (digest === job.digest && out === job.out && !done.has(shard)) await task.remove();
  }
}
