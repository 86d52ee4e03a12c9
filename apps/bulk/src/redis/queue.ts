import { hash } from "node:crypto";
import type { ConnectionOptions, Job, JobsOptions, Queue } from "bullmq";
import { importBullmq } from "./peers.ts";
import { checkRedis, refusal, refusedByRedis } from "./server.ts";
import type { AttemptOptions, QueueOptions, ShardTask } from "./types.ts";

export type Task = Job<ShardTask>;

/**
 * Attempts about 2, 4 and 8 s apart are enough for a network or disk to return, and few enough for a shard that always
 * fails. The last thousand completed shards stay for Bull Board; the result files say which shards are done.
 */
export function taskOptions({ attempts = 4, backoff = 2000 }: AttemptOptions): JobsOptions {
  return {
    attempts,
    backoff: { type: "exponential", delay: backoff, jitter: 0.5 },
    removeOnComplete: { count: 1000 },
    removeOnFail: false,
  };
}

/** The same shard of the same job in the same folder has the same id, so that Redis holds it at most once. */
export function taskId({ out, job, shard }: ShardTask): string {
  return `${hash("sha256", `${job} ${out}`).slice(0, 16)}-${shard}`;
}

/** Opens the queue after a check of the server. Throws RedisError, or BackendUnavailableError without the packages. */
export async function openQueue(options: QueueOptions): Promise<Queue<ShardTask> & AsyncDisposable> {
  const { Queue } = await importBullmq();
  for (const warning of await checkRedis(options.redis)) options.onWarning?.(warning);
  const queue = new Queue<ShardTask>(options.queue ?? "residual-bulk", { connection: connectionTo(options.redis) });
  queue.on("error", warnOnce(options.onWarning));
  return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() });
}

/** Works on the queue, and closes it. Throws as `openQueue`, and RedisError for a command that Redis refuses. */
export async function withQueue<T>(options: QueueOptions, work: (queue: Queue<ShardTask>) => Promise<T>): Promise<T> {
  await using queue = await openQueue(options);
  return await refusedByRedis(options.redis, work(queue));
}

/** BullMQ's own connections to the server. They reconnect for as long as it takes, after at most two seconds each. */
export function connectionTo(url: string): ConnectionOptions {
  return { url, maxRetriesPerRequest: null, retryStrategy: (times: number) => Math.min(times * 200, 2000) };
}

/** A lost server gives an error for each attempt to reconnect: passes on a message only if it differs from the last. */
export function warnOnce(onWarning: QueueOptions["onWarning"]): (error: Error) => void {
  let last: string | undefined;
  return (error) => {
    const message = refusal(error) ?? messageOf(error);
    if (message !== last) onWarning?.(`Redis: ${message}`);
    last = message;
  };
}

/** Node's error for a host with several addresses has no message; its first reason has one. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
