import { DeviceLostError, ResidualError, type Signal } from "@residual/core";
import { delay } from "@residual/kit/files";
import type { Queue, WaitingError, Worker } from "bullmq";
import { importBullmq } from "./peers.ts";
import { connectionTo, openQueue, type Task, warnOnce } from "./queue.ts";
import { countsOf } from "./status.ts";
import type { QueueOptions, ShardTask } from "./types.ts";

/**
 * A worker holds a lock on each of its shards for 30 s and renews it every 15 s. So a machine that pauses, or a Redis
 * that restarts, has 15 s to return. A shard of a killed worker is redone when its lock has expired and two checks,
 * 15 s apart, have seen it: after 30 to 45 s, which is little beside the minutes that a shard may take.
 */
const LOCK = 30_000;
const STALLED_CHECK = 15_000;

/**
 * A shard that has lost its worker five times is set aside. Machines that may be taken away at any time lose one shard
 * in a hundred, so five in a row are one in 10¹⁰; a shard that kills its machine stops after five machines.
 */
const MAX_LOST = 5;

/** Milliseconds that shards under way have after a SIGTERM. Kubernetes kills after 30 s. */
const GRACE = 20_000;

/** Milliseconds between two looks at an empty queue. */
const POLL = 500;

export interface WorkQueueOptions<Result> extends QueueOptions {
  /** Shards at the same time. */
  readonly concurrency: number;
  /** Runs a shard outside of this thread, whose timers renew the locks. An abort makes it reject soon. */
  run(task: ShardTask, work: { readonly signal: AbortSignal }): Promise<Result>;
  /** Once aborted, no further shard is taken. */
  readonly signal?: Signal | undefined;
  /** Milliseconds that shards under way have after the abort; then they are given back to the queue. 20,000. */
  readonly grace?: number | undefined;
  /** Ends when the queue is empty and no worker holds a shard; otherwise waits for more. */
  readonly untilEmpty?: boolean | undefined;
  /** Milliseconds of a lock without renewal: 30,000. */
  readonly lock?: number | undefined;
  /** Milliseconds between two checks for shards of lost workers: 15,000. */
  readonly stalledCheck?: number | undefined;
  readonly onShard?: ((shard: ShardTask, result: Result) => void) | undefined;
}

export interface Worked {
  /** Attempts of this worker that gave a result. */
  readonly done: number;
  /** Attempts that failed. */
  readonly failed: number;
  /** Shards given back to the queue at the end. */
  readonly returned: number;
}

/**
 * Takes shards from the queue until `signal` is aborted, or the queue is empty. Reconnects while Redis is away.
 * Throws RedisError if the server cannot be used at the start.
 */
export async function workQueue<Result>(options: WorkQueueOptions<Result>): Promise<Worked> {
  const bullmq = await importBullmq();
  await using queue = await openQueue(options);
  const attempts = new Attempts(options, bullmq.WaitingError);
  const worker = new bullmq.Worker<ShardTask>(queue.name, (task, token) => attempts.run(task, token), {
    connection: connectionTo(options.redis),
    concurrency: options.concurrency,
    lockDuration: options.lock ?? LOCK,
    stalledInterval: options.stalledCheck ?? STALLED_CHECK,
    maxStalledCount: MAX_LOST,
  });
  worker.on("error", warnOnce(options.onWarning));
  worker.on("stalled", (id) =>
    options.onWarning?.(`shard ${id.split("-").at(-1)}: its worker is lost; it is queued again`),
  );
  await ended(queue, attempts, options);
  await attempts.drain(worker, options.grace ?? GRACE);
  return attempts.counts;
}

/** The shards that this worker has tried, and those under way. */
class Attempts<Result> {
  readonly counts = { done: 0, failed: 0, returned: 0 };
  underWay = 0;
  readonly #options: WorkQueueOptions<Result>;
  readonly #Returned: typeof WaitingError;
  readonly #giveBack = new AbortController();

  /** `Returned` is BullMQ's error for a task that has been moved back. */
  constructor(options: WorkQueueOptions<Result>, Returned: typeof WaitingError) {
    this.#options = options;
    this.#Returned = Returned;
  }

  /** Runs a shard for BullMQ, which takes the thrown error as its answer. */
  async run(task: Task, token: string | undefined): Promise<Result> {
    this.underWay++;
    try {
      const result = await this.#options.run(task.data, { signal: this.#giveBack.signal });
      this.counts.done++;
      this.#options.onShard?.(task.data, result);
      return result;
    } catch (error) {
      throw this.#isCutOff(error) ? await this.#returned(task, token) : this.#failure(task, error);
    } finally {
      this.underWay--;
    }
  }

  /** Lets shards under way finish within `grace` ms, then gives the rest back to the queue. */
  async drain(worker: Worker, grace: number): Promise<void> {
    const timer = setTimeout(() => this.#giveBack.abort(), grace);
    await worker.close();
    clearTimeout(timer);
  }

  /** Whether the stop of this worker is the reason, and not the shard: SIGTERM may reach its child processes too. */
  #isCutOff(error: unknown): boolean {
    const isLost = error instanceof DeviceLostError && this.#options.signal?.aborted === true;
    return isLost || this.#giveBack.signal.aborted;
  }

  async #returned(task: Task, token: string | undefined): Promise<Error> {
    await task.moveToWait(token);
    this.counts.returned++;
    return new this.#Returned();
  }

  #failure({ data, attemptsMade, opts }: Task, error: unknown): Error {
    this.counts.failed++;
    const reason = reasonOf(error);
    const isLast = attemptsMade + 1 >= (opts.attempts ?? 1);
    const next = isLast ? "set aside after its last attempt" : "it will be tried again";
    this.#options.onWarning?.(`shard ${data.shard}: ${reason}; ${next}`);
    return new Error(reason);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ResidualError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/** Resolves at the abort, or once no worker holds or awaits a shard. */
async function ended<Result>(
  queue: Pick<Queue, "getJobCounts">,
  attempts: Attempts<Result>,
  { signal, untilEmpty }: WorkQueueOptions<Result>,
): Promise<void> {
  while (!signal?.aborted) {
    await delay(POLL, signal).catch(() => {}); // an abort ends the loop
    if (!untilEmpty || attempts.underWay > 0) continue;
    const { waiting, active, delayed } = await countsOf(queue);
    if (waiting + active + delayed === 0) return;
  }
}
