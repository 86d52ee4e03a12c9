/**
 * Measures what docs/scale.md and the simulation reckon with, and writes it to docs/scale.json. Needs redis-server.
 *
 *   pnpm exec node --conditions=@residual/source scripts/measure-queue.ts [--models resnet18,resnet50] [--images 1024]
 *
 * For each model one real run of two workers on the queue: seconds of each shard, seconds between two shards of a
 * worker, seconds until the first shard, and Redis' own count of commands and of its time (INFO commandstats).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { photos } from "@residual/kit/testing/folder";
import type { ShardResult } from "@residual/shards";
import { Redis } from "ioredis";
import { enqueueJob, prepareJob, workOnJobs } from "../src/index.ts";
import { enqueueShards } from "../src/redis/enqueue.ts";
import { RedisServer } from "../src/testing/redis-server.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet18,resnet50" },
    backend: { type: "string", default: "onnx" },
    images: { type: "string", default: "1024" },
  },
});

/** A real run of two workers. Times in seconds. */
export interface Measured {
  readonly model: string;
  readonly backend: string;
  readonly images: number;
  readonly shardSize: number;
  readonly workers: number;
  /** From the first shard's start to the last one's end. */
  readonly seconds: number;
  readonly shards: readonly number[];
  /** Mean time between two shards of a worker. */
  readonly gap: number;
  /** Share of the workers' time that is not spent in shards. */
  readonly overhead: number;
  /** From the worker's start until its first shard starts: model, runtime and queue. */
  readonly startup: number;
  /** Commands, calls inside scripts included, and Redis' time for them, of a shard. */
  readonly commands: number;
  readonly redis: number;
}

interface Ended {
  readonly at: number;
  readonly seconds: number;
}

const WORKERS = 2;
const folder = await mkdtemp(join(tmpdir(), "residual-measure-queue-"));
const names = ["chelsea.png", "coffee.png", "rocket.jpg"];

async function measure(model: string): Promise<Measured> {
  const images = Number(values.images);
  const shardSize = images / 32;
  const list = join(folder, "list.txt");
  await writeFile(list, Array.from({ length: images }, (_, at) => join(photos, names[at % names.length]!)).join("\n"));
  const work = { model, weights: "fixture:v1", backend: values.backend, batch: 8, shardSize };
  const job = await prepareJob({ ...work, input: [list], out: join(folder, model) });
  await using server = await RedisServer.start();
  const options = { redis: server.url };
  await enqueueJob(job, options);
  const before = await commandsOf(server);
  const start = performance.now();
  const ended: Ended[] = [];
  const onShard = (_: unknown, result: ShardResult | undefined) =>
    ended.push({ at: (performance.now() - start) / 1000, seconds: result!.ms / 1000 });
  await workOnJobs({ ...options, concurrency: WORKERS, untilEmpty: true, onShard });
  const after = await commandsOf(server);
  const { gaps, startup } = gapsOf(ended);
  const inShards = sum(ended.map(({ seconds }) => seconds));
  return {
    model,
    backend: values.backend,
    images,
    shardSize,
    workers: WORKERS,
    startup,
    seconds: Math.max(...ended.map(({ at }) => at)) - startup,
    shards: ended.map(({ seconds }) => seconds),
    gap: sum(gaps) / gaps.length,
    overhead: sum(gaps) / (sum(gaps) + inShards),
    commands: (after.calls - before.calls) / ended.length,
    redis: (after.seconds - before.seconds) / ended.length,
  };
}

/** The time between two shards of a worker: each shard follows the one that ended last before it starts. */
function gapsOf(ended: readonly Ended[]): { readonly gaps: readonly number[]; readonly startup: number } {
  const spans = ended.map(({ at, seconds }) => ({ start: at - seconds, at })).sort((a, b) => a.start - b.start);
  const free = spans.slice(0, WORKERS).map(({ at }) => at);
  const gaps = spans.slice(WORKERS).map(({ start, at }) => {
    const slot = free.indexOf(Math.min(...free));
    const gap = Math.max(0, start - free[slot]!);
    free[slot] = at;
    return gap;
  });
  return { gaps, startup: spans[0]!.start };
}

async function commandsOf({ port }: RedisServer): Promise<{ readonly calls: number; readonly seconds: number }> {
  const info = await asked(port, (redis) => redis.info("commandstats"));
  const rows = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)].filter(([, name]) => name !== "info");
  const isScript = (name: string) => name === "evalsha" || name === "eval"; // their time holds that of their calls
  const outer = rows.filter(([, name]) => isScript(name!) || name === "bzpopmin");
  const calls = sum(rows.map(([, , count]) => Number(count)));
  return { calls, seconds: sum(outer.map(([, , , usec]) => Number(usec))) / 1e6 };
}

/** Bytes of Redis for a shard that waits. */
async function bytesOfShard(): Promise<number> {
  await using server = await RedisServer.start();
  const used = () =>
    asked(server.port, (redis) => redis.info("memory")).then((info) => Number(/used_memory:(\d+)/.exec(info)![1]));
  const before = await used();
  const job = { out: "/mnt/shared/photos/out", digest: "0".repeat(64), shards: 20_000 };
  await enqueueShards(job, new Set(), { redis: server.url });
  return ((await used()) - before) / job.shards;
}

async function asked<T>(port: number, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(port);
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

try {
  const runs: Measured[] = [];
  for (const model of values.models.split(",")) {
    const run = await measure(model);
    runs.push(run);
    const perCore = run.images / sum(run.shards);
    console.log(
      `${model} on ${run.backend}: ${perCore.toFixed(1)} images/s a core, overhead ${(run.overhead * 100).toFixed(3)} % ` +
        `(${(run.gap * 1000).toFixed(1)} ms a shard), ready after ${run.startup.toFixed(1)} s, ` +
        `${run.commands.toFixed(1)} commands and ${(run.redis * 1e6).toFixed(0)} µs of Redis a shard`,
    );
  }
  const bytes = await bytesOfShard();
  console.log(`${bytes.toFixed(0)} bytes of Redis for a shard that waits`);
  const machine = `${availableParallelism()} cores of ${cpus()[0]!.model}, Node ${process.version}`;
  const file = fileURLToPath(new URL("../../../docs/scale.json", import.meta.url));
  await writeFile(file, `${JSON.stringify({ machine, bytesOfShard: bytes, runs }, undefined, 1)}\n`);
} finally {
  await rm(folder, { recursive: true });
}
