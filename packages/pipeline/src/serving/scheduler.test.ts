import { DeviceLostError, FormatError } from "@residual/core";
import { expect, it } from "vitest";
import { Scheduler } from "./scheduler.ts";

/** A queue whose batches end when `finish` is called. */
function manual(options: { maxBatch?: number; maxWaiting?: number } = {}) {
  const batches: { items: readonly number[]; finish: (error?: Error) => void }[] = [];
  const queue = new Scheduler({ workers: 1 }).queue<number, number>({
    name: "m",
    maxBatch: 4,
    ...options,
    run: (items) =>
      new Promise((resolve, reject) => {
        const answers = items.map((item) => (item < 0 ? new FormatError(`bad ${item}`) : 10 * item));
        batches.push({ items, finish: (error) => (error ? reject(error) : resolve(answers)) });
      }),
  });
  return { queue, batches };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it("starts at once, and combines what has come meanwhile, up to the largest batch", async () => {
  const { queue, batches } = manual();
  const first = queue.submit([1]);
  const others = [queue.submit([2]), queue.submit([3, 4, 5, 6, 7])];
  expect(queue.waiting).toBe(6);
  for (const index of [0, 1, 2]) {
    batches[index]!.finish();
    await turn();
  }
  expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4, 5], [6, 7]]);
  expect(await first).toEqual([10]);
  expect(await Promise.all(others)).toEqual([[20], [30, 40, 50, 60, 70]]);
});

it("gives an item's error to its request alone, and a batch's error to all of it", async () => {
  const { queue, batches } = manual();
  const blocker = queue.submit([0]);
  const [good, bad] = [queue.submit([1]), queue.submit([-1])];
  batches[0]!.finish(new DeviceLostError("gone"));
  await expect(blocker).rejects.toThrow(DeviceLostError);
  await turn();
  batches[1]!.finish();
  expect(await good).toEqual([10]);
  await expect(bad).rejects.toThrow("bad -1");
});

it("frees the places of an aborted request", async () => {
  const { queue, batches } = manual({ maxWaiting: 2 });
  const running = queue.submit([1]);
  const controller = new AbortController();
  const aborted = queue.submit([2, 3], { signal: controller.signal });
  await expect(queue.submit([4])).rejects.toMatchObject({ code: "OverloadedError", retryAfter: 1 });
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: "AbortError" });
  const next = queue.submit([4]);
  batches[0]!.finish();
  await running;
  await turn();
  batches[1]!.finish();
  expect(await next).toEqual([40]);
});

it("cancels what has not started by its deadline", async () => {
  const { queue, batches } = manual();
  const running = queue.submit([1]);
  await expect(queue.submit([2], { deadline: 5 })).rejects.toMatchObject({ code: "DeadlineError" });
  expect(queue.waiting).toBe(0);
  batches[0]!.finish();
  expect(await running).toEqual([10]);
  expect(batches).toHaveLength(1);
});

it("rejects what waits when it is closed", async () => {
  const { queue, batches } = manual();
  const running = queue.submit([1]);
  const waiting = queue.submit([2]);
  const closing = queue.close();
  await expect(waiting).rejects.toMatchObject({ code: "UnavailableError" });
  await expect(queue.submit([3])).rejects.toMatchObject({ code: "UnavailableError" });
  batches[0]!.finish();
  expect(await running).toEqual([10]);
  await closing;
});
