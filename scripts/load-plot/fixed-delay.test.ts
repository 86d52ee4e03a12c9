import { expect, it } from "vitest";
import { VirtualClock } from "../../packages/cli/src/bench/scenarios/testing/virtual-clock.ts";
import { FixedDelay } from "./fixed-delay.ts";

/** The start and the items of each batch; a batch takes 10 ms. `arrivals` in ms. */
async function batchesOf(arrivals: readonly number[]): Promise<readonly (readonly [number, readonly number[]])[]> {
  const clock = new VirtualClock();
  const batches: (readonly [number, readonly number[]])[] = [];
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const run = (items: readonly number[]) => {
    batches.push([clock.now(), items]);
    return pause(10);
  };
  const batcher = new FixedDelay<number>(clock, 5, 3, run);
  const submit = async (at: number) => {
    await pause(at);
    await batcher.submit(at);
  };
  await clock.run(Promise.all(arrivals.map(submit)));
  return batches;
}

it("starts a batch when its oldest item has waited for the delay", async () => {
  expect(await batchesOf([0, 2, 40])).toEqual([
    [5, [0, 2]],
    [45, [40]],
  ]);
});

it("starts a full batch at once", async () => {
  expect(await batchesOf([0, 1, 2])).toEqual([[2, [0, 1, 2]]]);
});

it("lets the delay run while the worker is busy", async () => {
  expect(await batchesOf([0, 6, 14])).toEqual([
    [5, [0]],
    [15, [6, 14]],
  ]);
});
