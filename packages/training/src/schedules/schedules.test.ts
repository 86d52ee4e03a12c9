import { readFileSync } from "node:fs";
import { OptionError } from "@residual/pipeline";
import { expect, it } from "vitest";
import {
  constantSchedule,
  cosineSchedule,
  oneCycleSchedule,
  type Schedule,
  stepSchedule,
  warmUp,
} from "./schedules.ts";

/** PyTorch's rates: see fixtures/make.py. */
const recorded = JSON.parse(readFileSync(new URL("fixtures/schedules.json", import.meta.url), "utf8")) as {
  readonly [name: string]: readonly number[];
};

const rate = 0.4;
const schedules: { readonly [name: string]: Schedule } = {
  constant: constantSchedule(rate),
  cosine: cosineSchedule({ rate, steps: 20 }),
  cosineFloor: cosineSchedule({ rate, steps: 7, floor: 0.01 }),
  steps: stepSchedule({ rate, at: [3, 4, 9] }),
  stepsByHalf: stepSchedule({ rate, at: [2, 5], factor: 0.5 }),
  oneCycle: oneCycleSchedule({ rate, steps: 30 }),
  oneCycleLinear: oneCycleSchedule({ rate, steps: 11, rise: 0.4, divisor: 10, finalDivisor: 50, shape: "linear" }),
  warmCosine: warmUp(cosineSchedule({ rate, steps: 15 }), { steps: 5, factor: 0.01 }),
  warmSteps: warmUp(stepSchedule({ rate, at: [4] }), { steps: 3 }),
};

it("has a schedule for each recorded one", () => {
  expect(Object.keys(schedules)).toEqual(Object.keys(recorded));
});

it.each(Object.entries(schedules))("%s is PyTorch's, step by step", (name, schedule) => {
  // PyTorch computes some rates from the step before: the errors of 30 steps of a few float64 roundings each
  const tolerance = 30 * 8 * 2 ** -53 * rate;
  for (const [step, expected] of recorded[name]!.entries())
    expect(Math.abs(schedule(step) - expected), `step ${step}`).toBeLessThanOrEqual(tolerance);
});

it("cosine and one cycle keep their last rate", () => {
  expect(schedules.cosine!(1000)).toBe(schedules.cosine!(20));
  expect(schedules.oneCycle!(1000)).toBe(schedules.oneCycle!(29));
});

it("one cycle over few steps has a rate at each", () => {
  for (let steps = 2; steps <= 12; steps++) {
    const schedule = oneCycleSchedule({ rate, steps, rise: 0.1 });
    for (let step = 0; step < steps; step++) expect(schedule(step), `step ${step} of ${steps}`).toBeGreaterThan(0);
  }
});

it("no warm-up leaves a schedule as it is", () => {
  expect(warmUp(schedules.cosine!, { steps: 0 })).toBe(schedules.cosine);
});

it.each([
  () => constantSchedule(0),
  () => cosineSchedule({ rate: NaN, steps: 3 }),
  () => cosineSchedule({ rate, steps: 0 }),
  () => oneCycleSchedule({ rate, steps: 2.5 }),
  () => warmUp(schedules.cosine!, { steps: -1 }),
])("refuses rates and steps that are none (%#)", (make) => {
  expect(make).toThrow(OptionError);
});
