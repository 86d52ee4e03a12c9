// A worker of a queue, to be killed: `work.ts URL QUEUE CONCURRENCY LOCK`. It ends when the queue is empty.
import { workOnJobs } from "../redis/job-queue.ts";

const [redis = "", queue, concurrency, lock] = process.argv.slice(2);
await workOnJobs({
  redis,
  queue,
  concurrency: Number(concurrency),
  lock: Number(lock),
  stalledCheck: Number(lock) / 2,
  untilEmpty: true,
  onWarning: (message) => process.stderr.write(`worker ${process.pid}: ${message}\n`),
});
