import type { WorkOptions } from "@residual/core";
import { findPeak, type Peak, serverRun } from "./find-peak.ts";
import { type RunOptions, runOffline, runStream, type SystemUnderTest } from "./load-generator.ts";
import { judge, type Result, type Scenario } from "./result.ts";

/** A system that answers queries in batches, and tells their times. */
export interface BatchingSystem extends SystemUnderTest {
  /** The finished batches so far. */
  readonly batches: readonly Batch[];
  /** Images that keep every worker busy with a full batch. */
  readonly capacity: number;
}

interface Batch {
  readonly images: number;
  readonly ms: number;
}

export interface ScenarioOptions {
  /** Least span of a run, milliseconds. */
  readonly duration: number;
  /** Least number of queries of a run, or of Offline's samples. */
  readonly queries?: number | undefined;
  /** Server: a fixed load instead of the highest. */
  readonly qps?: number | undefined;
  /** Server: the bound of p99 in milliseconds; 3 batch times where not given. */
  readonly bound?: number | undefined;
  readonly seed?: bigint | undefined;
}

/** MLPerf's percentile of a scenario, and the least queries: those of early stopping, or LoadGen's default of 100. */
const rules = {
  single: { percentile: 0.9, queries: 100, samples: 1 },
  multi: { percentile: 0.99, queries: 662, samples: 8 },
  server: { percentile: 0.99, queries: 459, samples: 1 },
  offline: { percentile: undefined, queries: 100, samples: 1 },
} as const;

/** Runs longer than this tell a search no more. */
const LONGEST_SEARCH = 10_000;
const BATCH_TIMES = 3;

export interface Measured {
  readonly result: Result;
  /** Server only. */
  readonly server?: ServerMeasured;
}

export interface ServerMeasured {
  /** Offline runs before and after. */
  readonly offline: readonly Result[];
  /** The Server result's completed samples a second, divided by those of the faster Offline run. */
  readonly share: number;
  /** Median of the largest batches in the first Offline run. */
  readonly batchTime: { readonly images: number; readonly batches: number; readonly ms: number };
  /** All Server runs, in order. */
  readonly trials: readonly Result[];
}

type Options = Omit<RunOptions, "onShare"> & { readonly onProgress?: WorkOptions["onProgress"] };

/** Runs one of MLPerf's scenarios, after a warm-up. Throws errors of the system, AbortError. */
export async function measureScenario(
  system: BatchingSystem,
  scenario: Scenario,
  given: ScenarioOptions,
  options: Options,
): Promise<Measured> {
  const { percentile, queries, samples } = rules[scenario];
  const least = { duration: given.duration, queries: given.queries ?? queries };
  const stage = stages(least.duration, options);
  const perSecond = await warmUp(system, given.duration, stage("warm-up"));
  if (scenario === "offline") return { result: await offlineRun(system, perSecond, least, stage("Offline")) };
  if (scenario === "server") return measureServer(system, perSecond, { ...given, ...least }, stage);
  const name = scenario === "single" ? "SingleStream" : "MultiStream";
  const run = await runStream(system, samples, least, stage(name));
  return { result: judge(run, { scenario, percentile, ...least }) };
}

type Stage = (name: string) => RunOptions;

function stages(duration: number, { clock, signal, onProgress }: Options): Stage {
  const total = duration / 1e3;
  return (stage) => ({ clock, signal, onShare: (share) => onProgress?.({ stage, done: share * total, total }) });
}

async function measureServer(
  system: BatchingSystem,
  perSecond: number,
  given: ScenarioOptions & Peak["final"],
  stage: Stage,
): Promise<Measured> {
  const { duration, queries, qps, seed } = given;
  const final = { duration, queries };
  const first = system.batches.length;
  const before = await offlineRun(system, perSecond, final, stage("Offline"));
  const batchTime = batchTimeOf(system.batches.slice(first));
  const bound = given.bound ?? BATCH_TIMES * batchTime.ms;
  const trials: Result[] = [];
  const search = { duration: Math.min(duration, LONGEST_SEARCH), queries: 1 };
  const peak = { offline: before.completedPerSecond, bound, search, final, seed };
  const options = { ...stage("Server"), onTrial: (result: Result) => trials.push(result) };
  const fixed = async (load: number) => {
    const result = await serverRun(system, { qps: load, bound, seed, ...final }, options);
    trials.push(result);
    return result;
  };
  const result = await (qps === undefined ? findPeak(system, peak, options) : fixed(qps));
  const offline = [before, await offlineRun(system, before.completedPerSecond, final, stage("Offline again"))];
  const fastest = Math.max(...offline.map(({ completedPerSecond }) => completedPerSecond));
  return { result, server: { offline, share: result.completedPerSecond / fastest, batchTime, trials } };
}

/** Samples a second of a burst, each twice the one before, until one takes a tenth of the duration or a second. */
async function warmUp(system: BatchingSystem, duration: number, options: RunOptions): Promise<number> {
  const enough = Math.min(duration / 10, 1000);
  for (let samples = 2 * system.capacity; ; samples *= 2) {
    const { lastAnswered } = await runOffline(system, samples, options);
    if (lastAnswered >= enough) return (1e3 * samples) / lastAnswered;
  }
}

/**
 * Issues a tenth more samples than the duration is expected to take, as LoadGen does. A run that is too short tells
 * the rate better than the warm-up, and is repeated.
 */
async function offlineRun(
  system: BatchingSystem,
  perSecond: number,
  least: Peak["final"],
  options: RunOptions,
): Promise<Result> {
  const expected = Math.ceil((1.1 * perSecond * least.duration) / 1e3);
  const full = Math.ceil(Math.max(expected, least.queries) / system.capacity); // a smaller last batch would be slower
  const samples = system.capacity * Math.max(2, full);
  const result = judge(await runOffline(system, samples, options), { scenario: "offline", ...least });
  if (result.duration >= least.duration) return result;
  return offlineRun(system, Math.max(result.completedPerSecond, 1.1 * perSecond), least, options);
}

function batchTimeOf(batches: readonly Batch[]): ServerMeasured["batchTime"] {
  const images = Math.max(...batches.map((batch) => batch.images));
  const times = batches.filter((batch) => batch.images === images).map(({ ms }) => ms);
  times.sort((a, b) => a - b);
  return { images, batches: times.length, ms: times[Math.floor(times.length / 2)]! };
}
