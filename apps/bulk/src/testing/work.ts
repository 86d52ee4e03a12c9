// A worker of a queue, to be killed: `work.ts URL QUEUE CONCURRENCY LOCK`. It ends when the queue is empty.
import { setTimeout as pause } from "node:timers/promises";
import { workOnJobs } from "../redis/job-queue.ts";
import { RedisError } from "../redis/server.ts";

const [redis = "", queue, concurrency, lock] = process.argv.slice(2);
const options = {
  redis,
  queue,
  concurrency: Number(concurrency),
  lock: Number(lock),
  stalledCheck: Number(lock) / 2,
  untilEmpty: true,
  onWarning: (message: string) => process.stderr.write(`worker ${process.pid}: ${message}\n`),
};

/** A worker that starts while Redis is away ends; a supervisor starts it again. */
for (;;) {
  try {
    await workOnJobs(options);
    break;
  } catch (error) {
    if (!(error instanceof RedisError)) throw error;
    await pause(100);
  }
}
