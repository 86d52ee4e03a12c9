import { availableParallelism } from "node:os";
import { DeviceLostError, type Progress, throwIfAborted, type WorkOptions } from "@residual/core";
import { exclusively, refusedAs } from "@residual/kit/files";
import {
  type Entry,
  imageCount,
  isFinished,
  type Job,
  JobError,
  journalPath,
  openJournal,
  readJournal,
  readShard,
  ShardWorkers,
  type Share,
  shardsOf,
  wholeJob,
} from "@residual/shards";

export interface RunOptions {
  /** Worker processes. Default: as many as the cores have room for. */
  readonly workers?: number | undefined;
  /** Default: the whole job. */
  readonly share?: Share | undefined;
  /** Runs shards again that were set aside, and those with pictures that could not be fetched. Default false */
  readonly retry?: boolean | undefined;
  readonly signal?: WorkOptions["signal"];
  /** Counts pictures. */
  readonly onProgress?: WorkOptions["onProgress"];
  /** Called for each attempt at a shard that failed. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Attempts at a shard whose worker process ends: after that, the shard is likely to be the reason. */
const ATTEMPTS = 3;

/** Waits for another process, of about 200 ms each, before it counts as running. Two that start at once both wait. */
const WAITS = 5;

/**
 * Runs the shards of a job, or of a share of it, that are not finished. A line for each goes to a journal in the job's
 * folder. A later call goes on where this one ended, however it ended.
 *
 * A shard whose worker process ends three times is set aside, and the others go on. Throws JobError while another
 * process runs the same share, AbortError, and any other error of a shard, such as a full disk: all would meet it.
 */
export async function runJob(job: Job, options: RunOptions = {}): Promise<void> {
  const path = journalPath(job, options.share);
  let waits = 0;
  const onWait = () => {
    if (++waits > WAITS) throw new JobError(`${job.out}: another process runs this job; wait for it, or stop it`);
  };
  const running = exclusively(path, () => runShards(job, path, options), { signal: options.signal, onWait });
  await refusedAs(job.out, running);
}

async function runShards(job: Job, path: string, options: RunOptions): Promise<void> {
  const { workers: count = workersFor(job), share = wholeJob, retry = false, signal } = options;
  const entries = await readJournal(path);
  const advance = progressOf(job, share, options.onProgress);
  await using journal = await openJournal(path);
  await using workers = new ShardWorkers(job, count);
  const stop = new AbortController();
  const abort = () => stop.abort();
  signal?.addEventListener("abort", abort);
  const shards = shardsOf(job, share);
  const lane = async () => {
    for (const shard of shards) {
      const work = { signal: stop.signal, onProgress: ({ done }: Progress) => advance(shard, done) };
      if (await isDue(job, shard, entries.get(shard), retry))
        await journal.append(await tried(shard, () => workers.run(shard, work), options));
      advance(shard, imageCount(job, shard));
    }
  };
  const lanes = Array.from({ length: count }, lane); // all take from the same shards
  try {
    await Promise.all(lanes);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(lanes);
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Whether a shard has to run. One that is set aside, or whose pictures could not be fetched, runs on `retry` only. */
async function isDue(job: Job, shard: number, entry: Entry | undefined, retry: boolean): Promise<boolean> {
  if (!isFinished(job, shard)) return retry || !(entry && "code" in entry);
  return retry && (await readShard(job, shard)).some(({ error }) => error === "FetchError");
}

/** The result of a shard, or its reason for being set aside. */
async function tried(shard: number, run: () => Promise<Entry>, { onWarning }: RunOptions): Promise<Entry> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      const { code, message } = error;
      const isLast = attempt === ATTEMPTS;
      onWarning?.(`${message}; ${isLast ? "it is set aside, and bulk retry runs it again" : "it is run again"}`);
      if (isLast) return { shard, code, message };
    }
  }
}

/** Counts the pictures of a share, from the pictures done of each shard. */
function progressOf(job: Job, share: Share, onProgress: RunOptions["onProgress"]) {
  const total = [...shardsOf(job, share)].reduce((sum, shard) => sum + imageCount(job, shard), 0);
  const counts = new Map<number, number>();
  let done = 0;
  return (shard: number, images: number) => {
    done += images - (counts.get(shard) ?? 0);
    counts.set(shard, images);
    onProgress?.({ stage: "bulk", done, total });
  };
}

const workersFor = ({ manifest: { threads } }: Job) => Math.max(1, Math.floor(availableParallelism() / threads));
