import { DeviceLostError, FormatError } from "@residual/core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hasRedis, RedisServer } from "../testing/redis-server.ts";
import { enqueueShards } from "./enqueue.ts";
import { openQueue, taskId } from "./queue.ts";
import { queueStatus, retryFailed } from "./status.ts";
import type { QueuedJob, ShardTask } from "./types.ts";
import { type WorkQueueOptions, workQueue } from "./work.ts";

const none: ReadonlySet<number> = new Set();
const job: QueuedJob = { out: "/out", digest: "0123456789abcdef0123", shards: 5 };

describe.skipIf(!hasRedis("the queue of bulk jobs"))("the queue", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** A new queue for each test. */
  let redis = { redis: "", queue: "" };
  let tests = 0;
  beforeEach(() => {
    redis = { redis: server.url, queue: `test-${tests++}` };
  });

  const work = (options: Partial<WorkQueueOptions<number>> & Pick<WorkQueueOptions<number>, "run">) =>
    workQueue({ ...redis, concurrency: 2, untilEmpty: true, ...options });

  it("holds a shard once, however often it is enqueued", async () => {
    expect(await enqueueShards(job, none, redis)).toEqual({ added: 5, queued: 0, done: 0 });
    expect(await enqueueShards(job, none, redis)).toEqual({ added: 0, queued: 5, done: 0 });
    const other = { ...job, digest: "another" };
    expect(await enqueueShards(other, new Set([0, 4]), redis)).toEqual({ added: 3, queued: 0, done: 2 });
    expect((await queueStatus(redis)).counts).toEqual({ waiting: 8, active: 0, delayed: 0, failed: 0 });
  });

  it("gives each shard to one of two workers, with its folder and digest", async () => {
    await enqueueShards(job, none, redis);
    const taken: ShardTask[] = [];
    const run = async (task: ShardTask) => taken.push(task);
    const both = await Promise.all([work({ run }), work({ run })]);
    expect(taken.map(({ shard }) => shard).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    expect(taken[0]).toEqual({ out: "/out", job: job.digest, shard: taken[0]!.shard });
    expect(both[0].done + both[1].done).toBe(5);
  });

  it("enqueues a completed shard again if its result has been deleted", async () => {
    await enqueueShards(job, none, redis);
    await work({ run: async () => 0 });
    expect(await enqueueShards(job, new Set([0, 1, 2, 4]), redis)).toEqual({ added: 1, queued: 0, done: 4 });
  });

  it("tries a shard again after an error that may pass", async () => {
    await enqueueShards(job, none, { ...redis, backoff: 10 });
    let faults = 0;
    const run = async ({ shard }: ShardTask) => {
      if (shard === 3 && faults++ < 2) throw new Error("the disk is away");
      return shard;
    };
    const warnings: string[] = [];
    const worked = await work({ run, onWarning: (message) => warnings.push(message) });
    expect(worked).toEqual({ done: 5, failed: 2, returned: 0 });
    expect(warnings).toEqual(Array(2).fill("shard 3: the disk is away; it will be tried again"));
  });

  it("sets a shard aside after its last attempt, with the reason, and tries it again on demand", async () => {
    await enqueueShards(job, none, { ...redis, attempts: 2, backoff: 10 });
    let isBroken = true;
    const run = async ({ shard }: ShardTask) => {
      if (shard === 1 && isBroken) throw new Error("boom");
      if (shard === 2 && isBroken) throw new FormatError("inputs/00002.jsonl: line 1 is not JSON");
      return shard;
    };
    const worked = await work({ run });
    expect(worked).toEqual({ done: 3, failed: 4, returned: 0 });
    const { counts, failed } = await queueStatus({ ...redis, digest: job.digest });
    expect(counts).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 2 });
    expect(failed).toContainEqual({ out: "/out", shard: 1, reason: "boom", attempts: 2 });
    expect(failed).toContainEqual({
      out: "/out",
      shard: 2,
      reason: "FormatError: inputs/00002.jsonl: line 1 is not JSON",
      attempts: 2,
    });
    expect((await queueStatus({ ...redis, digest: "another" })).failed).toEqual([]);
    expect(await enqueueShards(job, new Set([0, 3, 4]), redis)).toEqual({ added: 0, queued: 2, done: 3 });
    isBroken = false;
    expect(await retryFailed({ ...redis, digest: "another" })).toEqual([]);
    expect((await retryFailed(redis)).map(({ shard }) => shard).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(await work({ run })).toEqual({ done: 2, failed: 0, returned: 0 });
  });

  it("a retry loses no shard, although Redis has no memory left", async () => {
    await enqueueShards(job, none, { ...redis, attempts: 1 });
    await work({ run: () => Promise.reject(new Error("boom")) });
    await using queue = await openQueue(redis);
    const client = await queue.getBackend().client;
    await client.hset(queue.toKey(taskId({ out: job.out, job: job.digest, shard: 3 })), { stc: 6 }); // lost workers
    await server.configure("maxmemory", "1");
    await retryFailed(redis).catch(() => {}); // a second retry goes on where this one ended
    await server.configure("maxmemory", "0");
    await retryFailed(redis);
    expect((await queueStatus(redis)).counts).toEqual({ waiting: 5, active: 0, delayed: 0, failed: 0 });
    for (const task of await queue.getWaiting()) expect([task.attemptsMade, task.stalledCounter]).toEqual([0, 0]);
    expect(await work({ run: async () => 0 })).toEqual({ done: 5, failed: 0, returned: 0 });
  });

  it("a server without memory is a RedisError", async () => {
    await server.configure("maxmemory", "1");
    const enqueued = enqueueShards(job, none, redis);
    await expect(enqueued).rejects.toMatchObject({
      code: "RedisError",
      message: /its memory is full; raise maxmemory/,
    });
    await server.configure("maxmemory", "0");
    expect(await enqueueShards(job, none, redis)).toMatchObject({ added: 5 });
  });

  it("lets shards under way finish when it is stopped, and leaves the others", async () => {
    await enqueueShards(job, none, redis);
    const stop = new AbortController();
    const run = async () => {
      stop.abort();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return 0;
    };
    expect(await work({ run, signal: stop.signal, concurrency: 1 })).toEqual({ done: 1, failed: 0, returned: 0 });
    expect((await queueStatus(redis)).counts).toEqual({ waiting: 4, active: 0, delayed: 0, failed: 0 });
  });

  it("gives a shard back that takes longer than the grace, without using up an attempt", async () => {
    await enqueueShards(job, none, { ...redis, attempts: 1 });
    const stop = new AbortController();
    const run = (_: ShardTask, { signal }: { signal: AbortSignal }) =>
      new Promise<number>((_, reject) => {
        stop.abort();
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    const worked = await work({ run, signal: stop.signal, concurrency: 1, grace: 20 });
    expect(worked).toEqual({ done: 0, failed: 0, returned: 1 });
    expect((await queueStatus(redis)).counts).toEqual({ waiting: 5, active: 0, delayed: 0, failed: 0 });
    expect(await work({ run: async () => 0 })).toEqual({ done: 5, failed: 0, returned: 0 });
  });

  it("gives a shard back whose process the stop of the worker has ended too", async () => {
    await enqueueShards(job, none, { ...redis, attempts: 1 });
    const stop = new AbortController();
    const run = async () => {
      stop.abort();
      throw new DeviceLostError("SIGTERM");
    };
    expect(await work({ run, signal: stop.signal, concurrency: 1 })).toEqual({ done: 0, failed: 0, returned: 1 });
    expect((await queueStatus(redis)).counts).toEqual({ waiting: 5, active: 0, delayed: 0, failed: 0 });
  });

  it("goes on after a restart of Redis, which keeps the queue", async () => {
    await enqueueShards({ ...job, shards: 20 }, none, redis);
    let done = 0;
    const run = async () => {
      if (done++ === 5) {
        await server.stop();
        await server.start();
      }
      return 0;
    };
    // An answer that the restart cut off leaves a shard locked; the shard is redone when its lock has expired.
    await work({ run, lock: 500, stalledCheck: 250 });
    expect(done).toBeGreaterThanOrEqual(20);
    await using queue = await openQueue(redis);
    expect(await queue.getJobCountByTypes("completed")).toBe(20);
  });

  it("enqueues what a Redis without persistence has lost", async () => {
    await enqueueShards(job, none, redis);
    await using queue = await openQueue(redis);
    await queue.obliterate();
    expect(await enqueueShards(job, new Set([2]), redis)).toEqual({ added: 4, queued: 0, done: 1 });
  });
});
