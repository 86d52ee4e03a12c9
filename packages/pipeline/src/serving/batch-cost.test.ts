import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchCost } from "./batch-cost.ts";

const isNear = (found: number, expected: number, share: number) =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(share * Math.max(expected, 0.1));

/** A seeded sequence of numbers from 0 to 1. */
function* noise(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    yield state / 2 ** 31;
  }
}

const a = fc.double({ min: 0.01, max: 100, noNaN: true });
const ratio = fc.constantFrom(0, 0.1, 1, 10, 100);

describe("the cost of a batch", () => {
  it("is found among outliers: a first run, and one run in ten that is disturbed", () => {
    fc.assert(
      fc.property(a, ratio, fc.nat(), (perItem, times, seed) => {
        const cost = new BatchCost();
        const random = noise(seed + 1);
        cost.add(1, 50 * perItem * (1 + times));
        for (let batch = 0; batch < 200; batch++) {
          const items = 1 + Math.floor(8 * random.next().value);
          const ms = perItem * (items + times) * (1 + 0.02 * (random.next().value - 0.5));
          cost.add(items, random.next().value < 0.1 ? 5 * ms : ms);
        }
        for (const items of [1, 4, 8]) isNear(cost.of(items), perItem * (items + times), 0.1);
      }),
    );
  });

  it("is never negative or undefined, whatever the batches", () => {
    const batch = fc.tuple(fc.integer({ min: 1, max: 32 }), fc.double({ min: 0, max: 1e6, noNaN: true }));
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 100 }), (batches) => {
        const cost = new BatchCost();
        for (const [items, ms] of batches) {
          cost.add(items, ms);
          const { perItem, perBatch } = cost.fitted;
          for (const part of [perItem, perBatch]) expect(part >= 0 && Number.isFinite(part)).toBe(true);
          expect(cost.of(1)).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("follows a machine that slows down: the size that runs, and all sizes once they run again", () => {
    fc.assert(
      fc.property(a, ratio, fc.integer({ min: 1, max: 8 }), (perItem, times, size) => {
        const cost = new BatchCost();
        const sizes = Array.from({ length: 40 }, (_, batch) => 1 + (batch % 8));
        for (const items of sizes) cost.add(items, perItem * (items + times));
        for (let batch = 0; batch < 40; batch++) cost.add(size, 3 * perItem * (size + times));
        isNear(cost.of(size), 3 * perItem * (size + times), 0.05);
        for (const items of sizes) cost.add(items, 3 * perItem * (items + times));
        for (const items of [1, 8]) isNear(cost.of(items), 3 * perItem * (items + times), 0.05);
      }),
    );
  });

  it("has no part for the batch before batches of several sizes", () => {
    const cost = new BatchCost();
    for (let batch = 0; batch < 100; batch++) cost.add(4, 40);
    expect(cost.fitted.perItem).toBeCloseTo(10, 9);
    expect(cost.fitted.perBatch).toBeCloseTo(0, 9);
  });
});
