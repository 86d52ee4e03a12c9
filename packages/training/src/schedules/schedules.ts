import { OptionError } from "@residual/pipeline";

/** The learning rate of each step, counted from 0: a pure function. */
export type Schedule = (step: number) => number;

/** The same rate at every step. */
export function constantSchedule(rate: number): Schedule {
  checkRate("rate", rate);
  return () => rate;
}

/**
 * Half a cosine from `rate` to `floor` over `steps` steps, and `floor` from there on. Source: PyTorch,
 * CosineAnnealingLR (Loshchilov and Hutter 2017, without restarts).
 */
export function cosineSchedule({ rate, steps, floor = 0 }: CosineOptions): Schedule {
  checkRate("rate", rate);
  checkSteps(steps);
  return (step) => floor + ((rate - floor) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2;
}

export interface CosineOptions {
  readonly rate: number;
  readonly steps: number;
  /** Default 0 */
  readonly floor?: number | undefined;
}

/** `rate`, multiplied by `factor` at each step of `at`. Source: PyTorch, MultiStepLR. */
export function stepSchedule({ rate, at, factor = 0.1 }: StepOptions): Schedule {
  checkRate("rate", rate);
  return (step) => rate * factor ** at.filter((each) => each <= step).length;
}

export interface StepOptions {
  readonly rate: number;
  readonly at: readonly number[];
  /** Default 0.1 */
  readonly factor?: number | undefined;
}

/**
 * Up from `rate / divisor` to `rate`, then down to a `finalDivisor`-th of where it began, at the last of `steps` steps.
 * Source: PyTorch, OneCycleLR with two phases (Smith and Topin 2018).
 */
export function oneCycleSchedule({
  rate,
  steps,
  rise = 0.3,
  divisor = 25,
  finalDivisor = 1e4,
  shape = "cosine",
}: OneCycleOptions): Schedule {
  checkRate("rate", rate);
  checkSteps(steps);
  const first = rate / divisor;
  const last = first / finalDivisor;
  const top = rise * steps - 1;
  const between = shape === "cosine" ? cosineBetween : lineBetween;
  return (step) => {
    const at = Math.min(step, steps - 1);
    return top > 0 && at <= top ? between(first, rate, at / top) : between(rate, last, (at - top) / (steps - 1 - top));
  };
}

export interface OneCycleOptions {
  /** The largest rate. */
  readonly rate: number;
  readonly steps: number;
  /** Share of the steps in which the rate rises. Default 0.3 */
  readonly rise?: number | undefined;
  /** Default 25 */
  readonly divisor?: number | undefined;
  /** Default 10,000 */
  readonly finalDivisor?: number | undefined;
  /** Default "cosine" */
  readonly shape?: "cosine" | "linear" | undefined;
}

const cosineBetween = (from: number, to: number, share: number) =>
  to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
const lineBetween = (from: number, to: number, share: number) => (to - from) * share + from;

/**
 * `steps` steps in which the rate rises in a line from `factor` times the schedule's first rate to that rate, then the
 * schedule from its beginning. Source: PyTorch, SequentialLR of a LinearLR (Goyal et al. 2017).
 */
export function warmUp(schedule: Schedule, { steps, factor = 1 / 3 }: WarmUpOptions): Schedule {
  if (steps === 0) return schedule;
  checkSteps(steps);
  const full = schedule(0);
  return (step) => (step < steps ? full * (factor + (1 - factor) * (step / steps)) : schedule(step - steps));
}

export interface WarmUpOptions {
  readonly steps: number;
  /** Default 1/3, as in PyTorch */
  readonly factor?: number | undefined;
}

function checkRate(name: string, rate: number): void {
  if (!(rate > 0 && rate < Infinity))
    throw new OptionError(`schedule: \`${name}\` is ${rate}, expected a number above 0`);
}

function checkSteps(steps: number): void {
  if (!(Number.isSafeInteger(steps) && steps > 0))
    throw new OptionError(`schedule: \`steps\` is ${steps}, expected a whole number from 1`);
}
