import { describe, expect, it } from "vitest";
import { poissonArrivals } from "./arrivals.ts";
import golden from "./golden/loadgen.json" with { type: "json" };

describe("Poisson arrivals", () => {
  it.each(golden.arrivals)("are LoadGen's own, to the nanosecond: $qps a second", ({ seed, qps, nanoseconds }) => {
    const found = poissonArrivals({ qps, seed: BigInt(seed), duration: 0, queries: nanoseconds.length });
    expect([...found].map((ms) => Math.round(ms * 1e6))).toEqual(nanoseconds);
  });

  it("end with the first one that reaches the duration and the number of queries", () => {
    const long = poissonArrivals({ qps: 100, duration: 1000, queries: 1 });
    expect(long.at(-1)).toBeGreaterThanOrEqual(1000);
    expect(long.at(-2)).toBeLessThan(1000);
    expect(poissonArrivals({ qps: 100, duration: 10, queries: 500 })).toHaveLength(500);
  });

  it("are the same for the same seed, and others for another", () => {
    const load = { qps: 10, duration: 1000, queries: 1 };
    expect(poissonArrivals({ ...load, seed: 3n })).toEqual(poissonArrivals({ ...load, seed: 3n }));
    expect(poissonArrivals({ ...load, seed: 3n })).not.toEqual(poissonArrivals({ ...load, seed: 4n }));
  });

  // Gaps are exponential: mean and deviation 1/qps. Counts in equal intervals are Poisson: variance and mean are equal.
  // Standard errors with n values: 1/√n of the mean, √(8/n)/2 of the deviation, √(2/n) of the ratio. 4 are allowed.
  it.each([1n, 2n, 3n, 16159082839903944936n])(
    "have the mean and the variance of a Poisson process, seed %s",
    (seed) => {
      const qps = 50;
      const times = poissonArrivals({ qps, seed, duration: 4e6, queries: 1 }).subarray(0, -1);
      const gaps = [...times.subarray(1)].map((time, index) => time - times[index]!);
      const n = gaps.length;
      expect(Math.abs(meanOf(gaps) / 20 - 1)).toBeLessThan(4 / Math.sqrt(n));
      expect(Math.abs(Math.sqrt(varianceOf(gaps)) / 20 - 1)).toBeLessThan((4 * Math.sqrt(8 / n)) / 2);
      const counts = Array<number>(40_000).fill(0);
      for (const time of times) counts[Math.floor(time / 100)]!++;
      expect(Math.abs(varianceOf(counts) / meanOf(counts) - 1)).toBeLessThan(4 * Math.sqrt(2 / counts.length));
    },
  );
});

const meanOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
function varianceOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map((each) => (each - mean) ** 2));
}
