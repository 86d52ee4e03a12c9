// The program of a worker process: see workers.ts.
import { type Progress, ResidualError } from "@residual/core";
import { openJob } from "../job.ts";
import { openModel } from "./model.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { runShard } from "./run-shard.ts";

const send = (message: FromWorker) => process.send?.(message, () => {}); // a parent that has ended needs no reply

// Ctrl-C, and the SIGTERM of a service that is stopped, reach the parent too, which decides.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
process.on("disconnect", () => process.exit());

const job = await openJob(process.argv[2]!);
const model = openModel(job.manifest);
model.catch(() => {}); // each shard reports it

/** Milliseconds between two messages of progress: one takes longer than a run of a small model. */
const PAUSE = 100;

process.on("message", ({ shard }: ToWorker) => void work(shard));

async function work(shard: number): Promise<void> {
  try {
    let next = 0;
    const onProgress = (progress: Progress) => {
      if (performance.now() < next) return;
      next = performance.now() + PAUSE;
      send({ kind: "progress", progress });
    };
    send({ kind: "done", result: await runShard(job, shard, await model, onProgress) });
  } catch (error) {
    const { message, stack } = error as Error;
    const code = error instanceof ResidualError ? error.code : "InternalError";
    send({ kind: "failed", code, message: code === "InternalError" ? (stack ?? message) : message });
  }
}
