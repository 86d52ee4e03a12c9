import { OptionError } from "@residual/pipeline";
import { describe, expect, it } from "vitest";
import { findLearningRate } from "../index.ts";
import { tinyRun } from "../testing/tiny.ts";
import { exponentialRates, smoothed, suggestRate } from "./suggest-rate.ts";

describe("by hand", () => {
  it("rates grow by one factor", () => {
    expect(exponentialRates(5, 1e-4, 1)).toEqual(
      [1e-4, 1e-3, 1e-2, 1e-1, 1].map((rate) => expect.closeTo(rate, 12) as number),
    );
  });

  it("averages begin at the first loss", () => {
    // averages 2, then 1 + 1, then 1 + 0; divided by 1 − 0.5ⁿ
    expect(smoothed([4, 2, 0], 0.5)).toEqual(
      [4, 2 / 0.75, 1 / 0.875].map((value) => expect.closeTo(value, 12) as number),
    );
  });

  it("the steepest fall and the minimum are suggested, without the ends", () => {
    const losses = [9, 0, 5, 4.9, 4.5, 3, 2.8, 2.9, 0, 0, 0, 0, 0];
    const tried = losses.map((loss, i) => ({ rate: 10 ** (i - 6), loss }));
    expect(suggestRate(tried, 20)).toEqual({ steepest: 1e-2, minimum: expect.closeTo(1e-1, 12) as number });
    expect(suggestRate(tried.slice(0, 8), 20)).toBeUndefined();
  });
});

describe("findLearningRate", () => {
  const { epochs: _, ...options } = tinyRun({ augmentation: {} });

  it("tries rates until the loss diverges, and suggests one below", async () => {
    const { tried, suggested } = await findLearningRate({ ...options, from: 1e-5, to: 1e6, steps: 40 });
    expect(tried.length).toBeLessThan(40);
    expect(tried.length).toBeGreaterThan(10);
    expect(suggested!.steepest).toBeLessThan(tried.at(-1)!.rate);
    expect(await findLearningRate({ ...options, from: 1e-5, to: 1e6, steps: 40 })).toEqual({ tried, suggested });
  });

  it("has a rate for each step where batches are accumulated", async () => {
    const { tried } = await findLearningRate({ ...options, from: 1e-6, to: 1e-5, steps: 4, accumulate: 2 });
    expect(tried.map(({ rate }) => rate)).toEqual(exponentialRates(4, 1e-6, 1e-5));
  });

  it("refuses rates that do not grow", async () => {
    await expect(findLearningRate({ ...options, from: 1, to: 1 })).rejects.toThrow(OptionError);
  });
});
