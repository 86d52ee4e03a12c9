import { AbortError, ResidualError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { poissonArrivals } from "./arrivals.ts";
import { type RunOptions, runOffline, runServer, runStream } from "./load-generator.ts";
import { judge } from "./result.ts";
import { simulatedSystem } from "./testing/simulated-system.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";

function simulation(): { clock: VirtualClock; options: RunOptions } {
  const clock = new VirtualClock();
  return { clock, options: { clock, signal: new AbortController().signal } };
}

// Every expected number is worked out by hand from the machine's times.
describe("a simulated machine", () => {
  it("of 10 ms a query in SingleStream: queries at 0, 10, …, 1000 ms", async () => {
    const { clock, options } = simulation();
    const least = { duration: 1000, queries: 64 };
    const run = await clock.run(runStream(simulatedSystem(clock, { perItem: 10, most: 1 }), 1, least, options));
    const result = judge(run, { scenario: "single", percentile: 0.9, ...least });
    expect(result).toMatchObject({ valid: true, reasons: [], queries: 101, samples: 101, duration: 1000 });
    expect(result.latency).toMatchObject({ min: 10, mean: 10, p50: 10, p90: 10, p999: 10, max: 10 });
    expect(result.earlyStoppingEstimate).toBe(10);
    expect(result.completedPerSecond).toBeCloseTo(100 / 1.01, 9);
  });

  it("of 10 ms an image and 20 ms a batch in MultiStream: 100 ms for a query of 8", async () => {
    const { clock, options } = simulation();
    const least = { duration: 0, queries: 662 };
    const sut = simulatedSystem(clock, { perItem: 10, perBatch: 20, most: 8 });
    const run = await clock.run(runStream(sut, 8, least, options));
    const result = judge(run, { scenario: "multi", percentile: 0.99, ...least });
    expect(result).toMatchObject({ valid: true, queries: 662, samples: 5296, earlyStoppingEstimate: 100 });
    expect(result.latency.p99).toBe(100);
    expect(result.completedPerSecond).toBeCloseTo((661 * 8) / 66.2, 9);
  });

  it("of 100 ms a batch of 10 in Offline: 100 samples in a second", async () => {
    const { clock, options } = simulation();
    const shares: number[] = [];
    const sut = simulatedSystem(clock, { perItem: 9, perBatch: 10, most: 10 });
    const run = await clock.run(runOffline(sut, 100, { ...options, onShare: (share) => shares.push(share) }));
    const result = judge(run, { scenario: "offline", duration: 1000, queries: 100 });
    expect(result).toMatchObject({ valid: true, samples: 100, completedPerSecond: 100, duration: 1000 });
    expect([shares.length, shares.at(-1)]).toEqual([100, 1]);
  });

  // Pollaczek and Khinchine: the mean wait of an M/D/1 queue is ρ/(1 − ρ) of half a service time.
  it.each([0.3, 0.5])("of 10 ms a query in Server has the mean latency of an M/D/1 queue at load %s", async (load) => {
    const { clock, options } = simulation();
    const arrivals = poissonArrivals({ qps: 100 * load, duration: 0, queries: 40_000 });
    const run = await clock.run(runServer(simulatedSystem(clock, { perItem: 10, most: 1 }), arrivals, options));
    const result = judge(run, { scenario: "server", percentile: 0.99, bound: 1000, duration: 0, queries: 40_000 });
    expect(result).toMatchObject({ valid: true, queries: 40_000, overBound: 0 });
    const mean = 10 + (5 * load) / (1 - load);
    expect(Math.abs(result.latency.mean / mean - 1)).toBeLessThan(0.03);
    expect(result.scheduledPerSecond).toBeCloseTo((1e3 * 39_999) / arrivals.at(-1)!, 9);
    expect(result.latency.min).toBeCloseTo(10, 6);
  });

  it("that is overloaded is given up, and answers all that was issued", async () => {
    const { clock, options } = simulation();
    const arrivals = poissonArrivals({ qps: 200, duration: 0, queries: 10_000 });
    const sut = simulatedSystem(clock, { perItem: 10, most: 1 });
    const giveUp = { bound: 30, most: 100 };
    const run = await clock.run(runServer(sut, arrivals, { ...options, giveUp }));
    const result = judge(run, { scenario: "server", percentile: 0.99, bound: 30, duration: 0, queries: 10_000 });
    expect(result.valid).toBe(false);
    expect(result.queries).toBeLessThan(400);
    expect(result.reasons).toEqual(["p99 is above the bound of 30.0 ms; give fewer queries a second"]);
  });
});

describe("latencies of the Server scenario", () => {
  it("begin when the query was due, so that a late generator counts", async () => {
    const clock = new VirtualClock();
    const late = { now: () => clock.now(), after: (ms: number, callback: () => void) => clock.after(ms + 7, callback) };
    const arrivals = Float64Array.of(0, 100, 200);
    const sut = simulatedSystem(clock, { perItem: 10, most: 1 });
    const run = await clock.run(runServer(sut, arrivals, { clock: late, signal: new AbortController().signal }));
    expect(run.latencies).toEqual([10, 17, 17]);
    expect(run.lastIssued).toBe(200);
  });
});

class Refusal extends ResidualError {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

describe("a query that fails", () => {
  const arrivals = Float64Array.of(0, 1, 2, 3);
  const failing = (code: string) => {
    let count = 0;
    return { issue: async () => (count++ === 2 ? Promise.reject(new Refusal(code)) : undefined) };
  };

  it.each(["OverloadedError", "DeadlineError"])("with %s is refused: its latency is infinite", async (code) => {
    const { clock, options } = simulation();
    const run = await clock.run(runServer(failing(code), arrivals, options));
    expect(run).toMatchObject({ refused: 1, latencies: [0, 0, 0] });
    const result = judge(run, { scenario: "server", percentile: 0.99, bound: 5, duration: 0, queries: 4 });
    expect(result).toMatchObject({ valid: false, queries: 4, refused: 1, overBound: 1 });
    expect(result.latency.p99).toBe(Number.POSITIVE_INFINITY);
  });

  it("with any other error fails the run, once all queries are settled", async () => {
    const { clock, options } = simulation();
    await expect(clock.run(runServer(failing("DeviceLostError"), arrivals, options))).rejects.toThrow(
      "DeviceLostError",
    );
    await expect(clock.run(runOffline(failing("DeviceLostError"), 4, options))).rejects.toThrow("DeviceLostError");
  });
});

it("an abort ends the wait for the next arrival at once", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  clock.after(500, () => controller.abort());
  const sut = simulatedSystem(clock, { perItem: 1, most: 1 });
  const run = runServer(sut, Float64Array.of(0, 1e9), { clock, signal: controller.signal });
  await expect(clock.run(run)).rejects.toThrow(AbortError);
  expect(clock.now()).toBe(500);
});
