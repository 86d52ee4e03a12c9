import { describe, expect, it } from "vitest";
import type { Run } from "./load-generator.ts";
import { judge, mostBeyond, percentileOf } from "./result.ts";

/** Latencies 1, 2, …, n milliseconds, in an order that is not theirs. */
const upTo = (n: number) => Array.from({ length: n }, (_, i) => ((i * 7919) % n) + 1);

const run = (latencies: readonly number[], lastIssued = 1000): Run => ({
  latencies,
  refused: 0,
  samplesPerQuery: 1,
  lastIssued,
  lastAnswered: 1000,
  isGivenUp: false,
});

describe("percentiles", () => {
  it("are sorted[⌊n·share⌋], as in LoadGen's ProcessLatencies", () => {
    const sorted = upTo(1000).sort((a, b) => a - b);
    expect([0, 0.5, 0.9, 0.99, 0.999, 1].map((share) => percentileOf(sorted, share))).toEqual([
      1, 501, 901, 991, 1000, 1000,
    ]);
    expect(judge(run(upTo(1000)), { scenario: "single", percentile: 0.9, duration: 0, queries: 1 }).latency).toEqual({
      min: 1,
      mean: 500.5,
      max: 1000,
      p50: 501,
      p90: 901,
      p95: 951,
      p97: 971,
      p99: 991,
      p999: 1000,
    });
  });

  it("keep a bound if and only if at most mostBeyond of their values are above it", () => {
    for (const n of [1, 50, 99, 100, 101, 1000]) {
      const sorted = upTo(n).sort((a, b) => a - b);
      const bound = percentileOf(sorted, 0.99);
      expect(sorted.filter((each) => each > bound)).toHaveLength(mostBeyond(n, 0.99));
    }
  });
});

describe("the early-stopping estimate", () => {
  // 1,001 queries: LoadGen's p99 table (golden/loadgen.json) asks 3 + 998, so 3 may be over: the third from the end.
  it("drops all but one of the longest latencies that early stopping allows", () => {
    const rules = { scenario: "multi", percentile: 0.99, duration: 0, queries: 1 } as const;
    expect(judge(run(upTo(1001)), rules).earlyStoppingEstimate).toBe(999);
    expect(judge(run(upTo(662)), rules).earlyStoppingEstimate).toBe(662);
  });

  it("needs 662 queries at p99", () => {
    const result = judge(run(upTo(661)), { scenario: "multi", percentile: 0.99, duration: 0, queries: 1 });
    expect(result.earlyStoppingEstimate).toBeUndefined();
    expect(result.reasons).toEqual(["early stopping: 661 queries are too few to be 99 % sure of p99: 662 are needed"]);
  });
});

describe("a Server run", () => {
  const rules = { scenario: "server", percentile: 0.99, bound: 990, duration: 1000, queries: 100 } as const;

  it("is invalid for its percentile, its duration, its queries, and the doubt that few queries leave", () => {
    const result = judge(run([...upTo(20), 991], 900), rules);
    expect(result.valid).toBe(false);
    expect(result.reasons).toEqual([
      "p99 is above the bound of 990.0 ms; give fewer queries a second",
      "it took 0.9 s, less than 1.0 s; give more queries",
      "21 queries are fewer than 100",
      "early stopping: 21 queries are too few to be 99 % sure of p99: 662 are needed",
    ]);
  });

  // Of 400 queries, 3 may be above p99; LoadGen's table (golden/loadgen.json) asks 998 others for 3.
  it("may keep the bound without certainty: 3 of 400 beyond it", () => {
    const result = judge(run([...upTo(397), 991, 992, 993]), rules);
    expect(result).toMatchObject({ valid: false, queries: 400, overBound: 3 });
    expect(result.reasons).toEqual(["early stopping: 400 queries are too few to be 99 % sure of p99: 1001 are needed"]);
  });

  it("is valid where all holds, with the rates of LoadGen: one query less, by the last schedule and answer", () => {
    const result = judge({ ...run(upTo(990), 2000), lastAnswered: 2500 }, rules);
    expect(result).toMatchObject({ valid: true, reasons: [], overBound: 0 });
    expect(result.scheduledPerSecond).toBeCloseTo(989 / 2, 9);
    expect(result.completedPerSecond).toBeCloseTo(989 / 2.5, 9);
  });
});
