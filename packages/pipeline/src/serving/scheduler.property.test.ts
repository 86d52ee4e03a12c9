import { DeviceLostError, ResidualError } from "@residual/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { Queue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";

const ms = fc.integer({ min: 0, max: 200 });

const request = fc.record({
  time: ms,
  model: fc.nat({ max: 2 }),
  items: fc.integer({ min: 1, max: 10 }),
  abortAfter: fc.option(ms, { nil: undefined }),
  deadline: fc.option(ms, { nil: undefined }),
});

const model = fc.record({
  perItem: fc.integer({ min: 1, max: 20 }),
  /** The cost of a batch, relative to that of an item: from CPUs to GPUs. */
  ratio: fc.constantFrom(0, 0.1, 0.2, 5, 50),
  maxBatch: fc.integer({ min: 1, max: 8 }),
  maxWaiting: fc.integer({ min: 10, max: 30 }),
});

const scenario = fc.record({
  workers: fc.integer({ min: 1, max: 3 }),
  models: fc.array(model, { minLength: 3, maxLength: 3 }),
  requests: fc.array(request, { minLength: 1, maxLength: 30 }),
  /** Batches that fail, by their number. */
  failing: fc.uniqueArray(fc.nat({ max: 20 }), { maxLength: 2 }),
});

interface Run {
  readonly time: number;
  readonly model: number;
  readonly items: readonly string[];
}

it("answers each item once, in batches that fit, on time or not at all, and leaves no worker idle", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ workers, models, requests, failing }) => {
      const clock = new VirtualClock();
      const runs: Run[] = [];
      const running = new Set<number>();
      const scheduler = new Scheduler({ workers, clock });
      const queues = models.map(({ perItem, ratio, ...options }, index) =>
        scheduler.queue<string, string>({
          name: `m${index}`,
          ...options,
          async run(items, worker) {
            expect(running.has(worker)).toBe(false);
            running.add(worker);
            const isFailing = failing.includes(runs.push({ time: clock.now(), model: index, items }) - 1);
            await clock.sleep(perItem * (items.length + ratio));
            running.delete(worker);
            if (isFailing) throw new DeviceLostError("gone");
            return items.map((item) => `${item}!`);
          },
        }),
      );
      const outcomes = requests.map(async ({ time, model: of, items, abortAfter, deadline }, index) => {
        await clock.sleep(time);
        const controller = new AbortController();
        if (abortAfter !== undefined) clock.after(abortAfter, () => controller.abort());
        const names = Array.from({ length: items }, (_, item) => `${index}.${item}`);
        try {
          const answers = await queues[of]!.submit(names, { signal: controller.signal, deadline });
          expect(answers).toEqual(names.map((name) => `${name}!`));
          return "answered";
        } catch (error) {
          if (error instanceof ResidualError) return error.code;
          throw error;
        }
      });
      await clock.run(undefined, () => {
        const isIdle = running.size < workers;
        for (const queue of queues) if (isIdle) expect(queue.waiting).toBe(0);
      });
      const settled = await Promise.all(outcomes);
      const started = runs.flatMap((run) => run.items.map((item) => ({ ...run, item })));
      expect(new Set(started.map(({ item }) => item)).size).toBe(started.length);
      for (const run of runs) expect(run.items.length).toBeLessThanOrEqual(models[run.model]!.maxBatch);
      for (const [index, { time, items, abortAfter, deadline }] of requests.entries()) {
        const mine = started.filter(({ item }) => item.startsWith(`${index}.`));
        const last = time + Math.min(abortAfter ?? Number.POSITIVE_INFINITY, deadline ?? Number.POSITIVE_INFINITY);
        expect(mine.every((each) => each.time <= last)).toBe(true);
        if (settled[index] === "answered") expect(mine).toHaveLength(items);
        if (settled[index] === "OverloadedError") expect(mine).toHaveLength(0);
        if (abortAfter === undefined) expect(settled[index]).not.toBe("AbortError");
        if (deadline === undefined) expect(settled[index]).not.toBe("DeadlineError");
        if (failing.length === 0) expect(settled[index]).not.toBe("DeviceLostError");
      }
      expect(queues.map(({ waiting }) => waiting)).toEqual([0, 0, 0]);
    }),
    { numRuns: 200 },
  );
});

it("serves busy models equally, to within a batch of each", async () => {
  const cost = fc.record({ perItem: fc.integer({ min: 1, max: 50 }), maxBatch: fc.integer({ min: 1, max: 8 }) });
  const items = fc.integer({ min: 20, max: 60 });
  await fc.assert(
    fc.asyncProperty(fc.tuple(cost, cost), fc.tuple(items, items), ms, async (costs, counts, idle) => {
      const clock = new VirtualClock();
      const served = [0, 0];
      const scheduler = new Scheduler({ workers: 1, clock });
      const queues = costs.map(({ perItem, maxBatch }, index) =>
        scheduler.queue<number, number>({
          name: `m${index}`,
          maxBatch,
          maxWaiting: 100,
          async run(given) {
            await clock.sleep(perItem * given.length);
            served[index]! += perItem * given.length;
            return given;
          },
        }),
      );
      const submit = (queue: Queue<number, number>, count: number) =>
        Promise.all(Array.from({ length: count }, (_, index) => queue.submit([index])));
      const first = submit(queues[0]!, 20 + counts[0]); // has the worker alone for a while
      await clock.run(idle);
      const before = [...served];
      const second = submit(queues[1]!, counts[1]);
      await clock.run(undefined, () => {
        if (queues.some(({ waiting }) => waiting === 0)) return;
        const [a, b] = served.map((each, index) => each - before[index]!) as [number, number];
        const batches = costs.map(({ perItem, maxBatch }) => perItem * maxBatch) as [number, number];
        expect(a - b).toBeLessThanOrEqual(batches[0] + batches[1]);
        expect(b - a).toBeLessThanOrEqual(batches[0] + batches[1]);
      });
      await Promise.all([first, second]);
    }),
    { numRuns: 100 },
  );
});
