import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Job, shardPath } from "@residual/shards";
import type { RedisServer } from "./redis-server.ts";

export interface Disturbances {
  readonly server: RedisServer;
  readonly queue: string;
  readonly workers: number;
  /** Processes that run shards, of each worker. */
  readonly concurrency: number;
  /** Milliseconds of a shard's lock. */
  readonly lock: number;
  /** For each worker, the number of finished shards after which it is killed and replaced. */
  readonly kills: readonly number[];
  /** The number of finished shards after which Redis is restarted. */
  readonly restart: number;
  readonly onEvent?: ((event: string) => void) | undefined;
}

/** Works on an enqueued job until the queue is empty: kills each worker with -9 once, and restarts Redis once. */
export async function workDisturbed(job: Job, disturbances: Disturbances): Promise<void> {
  const { server, workers, kills, restart, onEvent = () => {} } = disturbances;
  const running = Array.from({ length: workers }, () => startWorker(disturbances));
  const events = kills.map((after, worker) => ({
    after,
    happen: async () => {
      await killed(running[worker]!);
      running[worker] = startWorker(disturbances);
      onEvent(`worker ${worker} killed after ${finishedShards(job)} shards`);
    },
  }));
  const restarted = async () => {
    await server.stop();
    await server.start();
    onEvent(`Redis restarted after ${finishedShards(job)} shards`);
  };
  for (const { after, happen } of [...events, { after: restart, happen: restarted }].sort(
    (a, b) => a.after - b.after,
  )) {
    while (finishedShards(job) < after) await pause(5);
    await happen();
  }
  for (const worker of running) if (worker.exitCode === null) await once(worker, "exit");
}

function startWorker({ server, queue, concurrency, lock }: Disturbances): ChildProcess {
  const program = fileURLToPath(new URL("./work.ts", import.meta.url));
  const words = [server.url, queue, `${concurrency}`, `${lock}`];
  return spawn(process.execPath, ["--conditions=@residual/source", program, ...words], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Kills a process with SIGKILL, and waits for its end. */
export async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  if (!child.kill("SIGKILL")) throw new Error("the process to be killed has ended already");
  await ended;
}

export function finishedShards(job: Job): number {
  return shardNumbers(job).filter((shard) => existsSync(shardPath(job, shard))).length;
}

/** The bytes of all shards. */
export async function shardBytes(job: Job): Promise<readonly Buffer[]> {
  return Promise.all(shardNumbers(job).map((shard) => readFile(shardPath(job, shard))));
}

const shardNumbers = ({ manifest }: Job): readonly number[] =>
  Array.from({ length: manifest.shards }, (_, shard) => shard);
