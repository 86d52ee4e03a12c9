/**
 * Microseconds of processor time that the server's scheduler takes for a request: its own work alone, with batches that
 * take no time, on one worker and two.
 *
 *   node scripts/scheduler-overhead.ts
 *
 * `waiting` requests are submitted at once, again and again; each has a deadline, as the server's have. The least of
 * the rounds counts, which other processes disturb least.
 */
import { Scheduler } from "../packages/pipeline/src/serving/index.ts";

const REQUESTS = 20_000;
const ROUNDS = 15;

async function microseconds(workers: number, maxBatch: number, waiting: number): Promise<number> {
  const scheduler = new Scheduler({ workers });
  const run = async (items: readonly number[]) => items;
  const queue = scheduler.queue<number, number>({ name: "model", maxBatch, maxWaiting: waiting, run });
  const burst = () =>
    Promise.all(Array.from({ length: waiting }, (_, item) => queue.submit([item], { deadline: 1e6 })));
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { user, system } = process.cpuUsage();
    for (let done = 0; done < REQUESTS; done += waiting) await burst();
    const after = process.cpuUsage();
    rounds.push((after.user - user + after.system - system) / REQUESTS);
  }
  await queue.close();
  return Math.min(...rounds);
}

for (const workers of [1, 2])
  for (const [maxBatch, waiting] of [
    [1, 1],
    [8, 8],
    [8, 128],
    [32, 512],
  ] as const) {
    const found = await microseconds(workers, maxBatch, waiting);
    console.log(`workers ${workers}, batches of ${maxBatch}, ${waiting} waiting: ${found.toFixed(1)} µs a request`);
  }
