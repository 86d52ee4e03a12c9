import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { minPassing, mostOver } from "./early-stopping.ts";
import golden from "./golden/loadgen.json" with { type: "json" };

describe("early stopping", () => {
  it.each(golden.minPassing)("asks as LoadGen: p$percentile, $over over", ({ percentile, over, passing }) => {
    expect(minPassing(over, percentile)).toBe(passing);
  });

  it("asks for the numbers that MLPerf publishes: 662 queries of MultiStream in mlperf.conf, 64 of SingleStream", () => {
    expect(1 + minPassing(1, 0.99)).toBe(662);
    expect(1 + minPassing(1, 0.9)).toBe(64);
  });

  it("agrees with the binomial by hand: none over, 0.9 ^ h ≤ 0.01; one over, 0.9 ^ h · (0.9 + 0.1 · (h + 1)) ≤ 0.01", () => {
    expect(0.9 ** 44).toBeLessThan(0.01);
    expect(0.9 ** 43).toBeGreaterThan(0.01);
    expect(minPassing(0, 0.9)).toBe(44);
    const one = (h: number) => 0.9 ** h * (0.9 + 0.1 * (h + 1));
    expect([one(62) > 0.01, one(63) <= 0.01, minPassing(1, 0.9)]).toEqual([true, true, 63]);
  });

  it("allows the most that the queries outweigh", () => {
    expect(mostOver(458, 0.99)).toBeUndefined();
    expect(mostOver(459, 0.99)).toBe(0);
    expect(mostOver(661, 0.99)).toBe(0);
    expect(mostOver(662, 0.99)).toBe(1);
    expect(mostOver(838, 0.99)).toBe(2);
    fc.assert(
      fc.property(fc.integer({ min: 44, max: 5000 }), (queries) => {
        const over = mostOver(queries, 0.9)!;
        expect(over + minPassing(over, 0.9)).toBeLessThanOrEqual(queries);
        expect(over + 1 + minPassing(over + 1, 0.9)).toBeGreaterThan(queries);
      }),
      { numRuns: 30 },
    );
  });

  // LoadGen's finder asks 199,928 queries in all for 1,896, and 200,030 for 1,897.
  it("holds where percentile ^ queries is below any float64", () => {
    expect(mostOver(200_000, 0.99)).toBe(1896);
  });
});
