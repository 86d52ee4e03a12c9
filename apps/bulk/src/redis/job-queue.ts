import { resolve } from "node:path";
import { digestOf, isFinished, type Job, JobError, openJob, type ShardResult, ShardWorkers } from "@residual/shards";
import { type Enqueued, enqueueShards } from "./enqueue.ts";
import { queueStatus, retryFailed } from "./status.ts";
import type { AttemptOptions, FailedTask, QueueOptions, QueueStatus, ShardTask } from "./types.ts";
import { type Worked, type WorkQueueOptions, workQueue } from "./work.ts";

/** Adds the shards of a job that have no file to the queue. Workers need the job's folder, at this or another path. */
export async function enqueueJob(job: Job, options: QueueOptions & AttemptOptions): Promise<Enqueued> {
  const { shards } = job.manifest;
  const done = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => isFinished(job, shard));
  return enqueueShards({ out: job.out, digest: digestOf(job), shards }, new Set(done), options);
}

/** The queue, and those shards of this job that are set aside. */
export function jobQueueStatus(job: Job, options: QueueOptions): Promise<QueueStatus> {
  return queueStatus({ ...options, digest: digestOf(job) });
}

/** Puts the job's shards that are set aside into the queue again. */
export function retryJob(job: Job, options: QueueOptions): Promise<readonly FailedTask[]> {
  return retryFailed({ ...options, digest: digestOf(job) });
}

export interface WorkOptions extends Omit<WorkQueueOptions<ShardResult | undefined>, "run"> {
  /** Folder of the jobs that this machine finds at another path than the one that enqueued them. */
  readonly out?: string | undefined;
}

/**
 * Takes shards of any job in the queue, and runs them in child processes. A shard that has a file already, as that of a
 * worker killed after it wrote the file, is done at once. Throws as `workQueue`.
 */
export async function workOnJobs(options: WorkOptions): Promise<Worked> {
  await using jobs = new OpenJobs(options);
  return await workQueue({ ...options, run: (task, work) => jobs.run(task, work) });
}

interface OpenJob {
  readonly job: Job;
  readonly workers: ShardWorkers;
  underWay: number;
}

/** The jobs whose model is loaded: those with shards under way, and the last one. */
class OpenJobs implements AsyncDisposable {
  readonly #options: WorkOptions;
  readonly #open = new Map<string, OpenJob>();

  constructor(options: WorkOptions) {
    this.#options = options;
  }

  async run(task: ShardTask, work: { readonly signal: AbortSignal }): Promise<ShardResult | undefined> {
    const open = await this.#jobOf(task);
    if (isFinished(open.job, task.shard)) return undefined;
    open.underWay++;
    try {
      return await open.workers.run(task.shard, work);
    } finally {
      open.underWay--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ workers }) => workers[Symbol.asyncDispose]()));
  }

  async #jobOf(task: ShardTask): Promise<OpenJob> {
    const name = `${task.job} ${task.out}`;
    const known = this.#open.get(name);
    if (known) return known;
    const job = await openJob(resolve(this.#options.out ?? task.out));
    if (digestOf(job) !== task.job)
      throw new JobError(`${job.out}: it holds another job than the one in the queue; --out names the folder here`);
    const open = this.#open.get(name) ?? {
      job,
      workers: new ShardWorkers(job, this.#options.concurrency),
      underWay: 0,
    };
    await this.#closeIdle();
    this.#open.set(name, open);
    return open;
  }

  async #closeIdle(): Promise<void> {
    for (const [digest, { workers, underWay }] of this.#open) {
      if (underWay > 0) continue;
      this.#open.delete(digest);
      await workers[Symbol.asyncDispose]();
    }
  }
}
