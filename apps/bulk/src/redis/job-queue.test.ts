import { readdir } from "node:fs/promises";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { type Job, openJob, prepareJob, readShard, ShardWorkers } from "@residual/shards";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shardBytes, workDisturbed } from "../testing/kills.ts";
import { hasRedis, RedisServer } from "../testing/redis-server.ts";
import { writeTinyPictures } from "../testing/tiny-pictures.ts";
import { enqueueJob, jobQueueStatus, workOnJobs } from "./job-queue.ts";

const IMAGES = 600;

describe.skipIf(!hasRedis("bulk jobs on the queue"))("a job on the queue", () => {
  const folder = temporaryFolder();
  let server: RedisServer;
  let undisturbed: Job;

  const jobIn = (out: string, pictures = "pictures") =>
    prepareJob({
      input: [folder.in(pictures)],
      out: folder.in(out),
      model: "cifar_resnet20",
      weights: "fixture:v1",
      backend: "wasm",
      batch: 4,
      shardSize: 20,
    });

  beforeAll(async () => {
    server = await RedisServer.start();
    await writeTinyPictures(folder.in("pictures"), IMAGES);
    await writeTinyPictures(folder.in("few"), 60);
    undisturbed = await jobIn("undisturbed");
    await using workers = new ShardWorkers(undisturbed, 2);
    const shards = Array.from({ length: undisturbed.manifest.shards }, (_, shard) => workers.run(shard));
    await Promise.all(shards);
  }, 300_000); // as testTimeout: ends only what hangs
  afterAll(() => server[Symbol.asyncDispose]());

  it("gives the bytes of an undisturbed run although workers are killed and Redis restarts", async () => {
    const job = await jobIn("disturbed");
    const options = { redis: server.url, queue: "disturbed" };
    expect(await enqueueJob(job, options)).toEqual({ added: 30, queued: 0, done: 0 });
    const moments = { kills: [6, 12], restart: 9 };
    await workDisturbed(job, { server, queue: "disturbed", workers: 2, concurrency: 1, lock: 2000, ...moments });
    expect(await shardBytes(job)).toEqual(await shardBytes(undisturbed));
    const rows = await Promise.all(Array.from({ length: 30 }, (_, shard) => readShard(job, shard)));
    expect(new Set(rows.flat().map(({ image }) => image)).size).toBe(IMAGES);
    expect(rows.flat()).toHaveLength(IMAGES);
    expect((await readdir(job.out)).filter((name) => name.startsWith("shard-"))).toHaveLength(30);
    expect((await jobQueueStatus(job, options)).counts).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
    expect(await enqueueJob(job, options)).toEqual({ added: 0, queued: 0, done: 30 });
  });

  it("runs shards of two jobs, and sets aside those whose folder holds another job", async () => {
    const jobs = [await jobIn("first", "few"), await jobIn("second", "few")] as const; // the same manifest
    const options = { redis: server.url, queue: "two" };
    for (const job of jobs) expect(await enqueueJob(job, options)).toMatchObject({ added: 3 });
    await workOnJobs({ ...options, concurrency: 2, untilEmpty: true });
    expect(await shardBytes(jobs[0])).toEqual(await shardBytes(jobs[1]));
    const elsewhere = { ...jobs[0], out: folder.in("elsewhere") };
    await enqueueJob(elsewhere, { ...options, attempts: 1 });
    await workOnJobs({ ...options, out: undisturbed.out, concurrency: 2, untilEmpty: true });
    const { failed } = await jobQueueStatus(elsewhere, options);
    expect(failed.map(({ reason }) => reason)).toEqual(Array(3).fill(expect.stringMatching(/holds another job/)));
  });

  it("sets aside the shards of a folder that this machine does not have", async () => {
    const job = await openJob(undisturbed.out);
    const gone = { ...job, out: folder.in("gone") };
    const options = { redis: server.url, queue: "gone" };
    await enqueueJob(gone, { ...options, attempts: 1 });
    await workOnJobs({ ...options, concurrency: 2, untilEmpty: true });
    const { failed } = await jobQueueStatus(gone, options);
    expect(failed).toHaveLength(30);
    expect(failed[0]!.reason).toMatch(/^JobError: .*gone: there is no manifest.json/);
    await enqueueJob(gone, { ...options, queue: "here" });
    // All shards have their files there.
    await workOnJobs({ ...options, queue: "here", out: job.out, concurrency: 2, untilEmpty: true });
    expect((await jobQueueStatus(gone, { ...options, queue: "here" })).failed).toEqual([]);
  });
});
