/**
 * Shows that no picture is lost or doubled however a bulk job is disturbed, and that the shards have the bytes of an
 * undisturbed run. Needs redis-server.
 *
 *   pnpm exec node --conditions=@residual/source scripts/kill-proof.ts [--images 20000] [--workers 4] [--seed 1]
 *
 * - Queue: each worker is killed with SIGKILL once, at a moment drawn by the seed, and replaced; Redis, with its
 *   append-only file, is restarted once.
 * - Embedded driver: the run is killed with SIGKILL as often, and started again.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { enqueueJob, type Job, prepareJob, readShard, runJob } from "../src/index.ts";
import { finishedShards, killed, shardBytes, workDisturbed } from "../src/testing/kills.ts";
import { RedisServer } from "../src/testing/redis-server.ts";
import { seeded, writeTinyPictures } from "../src/testing/tiny-pictures.ts";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "20000" },
    workers: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
  },
});
const images = Number(values.images);
const workers = Number(values.workers);
const draw = seeded(Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), "residual-kill-proof-"));

const jobIn = (out: string): Promise<Job> =>
  prepareJob({ input: [join(folder, "pictures")], out: join(folder, out), backend: "wasm", batch: 20, shardSize: 100 });

const fraction = () => draw() / 2 ** 32;

/** Moments, as numbers of finished shards, between 5 and 85 % of the job. */
const moment = ({ manifest: { shards } }: Job): number => Math.floor(shards * (0.05 + 0.8 * fraction()));
const moments = (job: Job): number[] => Array.from({ length: workers }, () => moment(job)).sort((a, b) => a - b);

async function queueRun(job: Job): Promise<void> {
  await using server = await RedisServer.start();
  const options = { redis: server.url, queue: "proof" };
  const { added } = await enqueueJob(job, options);
  console.log(`  enqueued ${added} shards; a second time ${(await enqueueJob(job, options)).added}`);
  const disturbances = { server, queue: "proof", workers, concurrency: 1, lock: 4000 };
  const when = { kills: moments(job), restart: moment(job) };
  await workDisturbed(job, { ...disturbances, ...when, onEvent: (event) => console.log(`  ${event}`) });
}

async function embeddedRun(job: Job): Promise<void> {
  const program = fileURLToPath(new URL("../src/testing/run.ts", import.meta.url));
  const start = () =>
    spawn(process.execPath, ["--conditions=@residual/source", program, job.out], { stdio: ["ignore", "ignore", 2] });
  for (const after of moments(job)) {
    const child = start();
    while (finishedShards(job) < after) await pause(5);
    await pause(200 * fraction());
    await killed(child);
    console.log(`  run killed after ${finishedShards(job)} shards`);
  }
  await once(start(), "exit");
}

/** Throws unless every picture has one row, and every shard has the bytes of the undisturbed run. */
async function compare(job: Job, undisturbed: Job): Promise<void> {
  const [found, expected] = await Promise.all([shardBytes(job), shardBytes(undisturbed)]);
  const different = found.filter((bytes, shard) => !bytes.equals(expected[shard]!)).length;
  const rows = (await Promise.all(found.map((_, shard) => readShard(job, shard)))).flat();
  const pictures = new Set(rows.map(({ image }) => image)).size;
  const strays = (await readdir(job.out)).filter(
    (name) => !/^(shard-\d+\.parquet|inputs|manifest.json|journal)/.test(name),
  );
  console.log(`  ${rows.length} rows of ${pictures} pictures; ${different} of ${found.length} shards differ`);
  if (strays.length > 0) console.log(`  other files: ${strays.join(", ")}`);
  if (different > 0 || rows.length !== images || pictures !== images)
    throw new Error("it differs from the undisturbed run");
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

try {
  await writeTinyPictures(join(folder, "pictures"), images);
  const undisturbed = await jobIn("undisturbed");
  const { model, shards } = undisturbed.manifest;
  console.log(`${images} pictures of 32 × 32 in ${shards} shards, ${model} on wasm, seed ${values.seed}`);
  await timed("undisturbed, embedded, 2 processes", () => runJob(undisturbed, { workers: 2 }));
  const queued = await jobIn("queued");
  await timed(`queue, ${workers} workers, each killed once, Redis restarted once`, () => queueRun(queued));
  await compare(queued, undisturbed);
  const embedded = await jobIn("embedded");
  await timed(`embedded, 2 processes, killed ${workers} times`, () => embeddedRun(embedded));
  await compare(embedded, undisturbed);
} finally {
  await rm(folder, { recursive: true });
}
