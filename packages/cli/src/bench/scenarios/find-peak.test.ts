import { describe, expect, it } from "vitest";
import { findPeak, serverRun } from "./find-peak.ts";
import type { Result } from "./result.ts";
import { simulatedSystem } from "./testing/simulated-system.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";

const signal = new AbortController().signal;

/**
 * Erlang (1909): the chance that a query of an M/D/1 queue waits at most `services` service times. Terms alternate,
 * and lose few digits here.
 */
function waitsAtMost(services: number, load: number): number {
  let [sum, factorial] = [0, 1];
  for (let k = 0; k <= services; k++) {
    factorial *= Math.max(k, 1);
    const x = load * (k - services);
    sum += (x ** k * Math.exp(-x)) / factorial;
  }
  return (1 - load) * sum;
}

describe("the peak of the Server scenario", () => {
  it("is that of an M/D/1 queue: the load whose 99th percentile of wait and service is the bound", async () => {
    const clock = new VirtualClock();
    const sut = simulatedSystem(clock, { perItem: 10, most: 1 });
    let load = 0;
    while (waitsAtMost(6, load) > 0.99) load += 0.001;
    const trials: Result[] = [];
    const least = { duration: 0, queries: 10_000 };
    const peak = { offline: 100, bound: 70, search: least, final: { duration: 0, queries: 20_000 } };
    const found = await clock.run(findPeak(sut, peak, { clock, signal, onTrial: (each) => trials.push(each) }));
    expect(found).toMatchObject({ valid: true, bound: 70 });
    expect(found.queries).toBeGreaterThanOrEqual(20_000);
    expect(Math.abs(found.scheduledPerSecond! / 100 - load)).toBeLessThan(0.04);
    expect(trials.length).toBeGreaterThanOrEqual(6);
    expect(trials.at(-1)).toBe(found);
  });

  it("is all of Offline where the bound is far away", async () => {
    const clock = new VirtualClock();
    const sut = simulatedSystem(clock, { perItem: 5, perBatch: 5, most: 1 });
    const least = { duration: 1000, queries: 500 };
    const peak = { offline: 100, bound: 1e6, search: least, final: least };
    const found = await clock.run(findPeak(sut, peak, { clock, signal }));
    expect(found).toMatchObject({ valid: true, overBound: 0 });
    expect(found.scheduledPerSecond).toBeGreaterThan(90); // 100 are asked for; the mean of 500 gaps varies by 4 %
  });

  it("is an invalid result where half of Offline is too much", async () => {
    const clock = new VirtualClock();
    const sut = simulatedSystem(clock, { perItem: 10, most: 1 });
    const least = { duration: 0, queries: 500 };
    const found = await clock.run(
      findPeak(sut, { offline: 400, bound: 50, search: least, final: least }, { clock, signal }),
    );
    expect(found.valid).toBe(false);
    expect(found.reasons[0]).toBe("p99 is above the bound of 50.0 ms; give fewer queries a second");
  });
});

it("a fixed load gives the same numbers twice", async () => {
  const once = async () => {
    const clock = new VirtualClock();
    const sut = simulatedSystem(clock, { perItem: 9, perBatch: 4, most: 8 });
    return clock.run(serverRun(sut, { qps: 90, bound: 200, duration: 10_000, queries: 100 }, { clock, signal }));
  };
  expect(await once()).toEqual(await once());
});
