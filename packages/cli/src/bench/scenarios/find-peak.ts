import { poissonArrivals } from "./arrivals.ts";
import { type Least, type RunOptions, runServer, type SystemUnderTest } from "./load-generator.ts";
import { judge, mostBeyond, type Result } from "./result.ts";

export interface Peak {
  /** Samples a second that Offline reached: the scale of the search. */
  readonly offline: number;
  /** Bound of the 99th percentile, milliseconds. */
  readonly bound: number;
  /** Of each run of the search, and of the run that is the result. */
  readonly search: Least;
  readonly final: Least;
  readonly seed?: bigint | undefined;
}

export type ServerOptions = RunOptions & { readonly onTrial?: (result: Result) => void };

/**
 * The highest load that keeps the bound, in steps of 1 % of Offline: short runs halve the range, each judged by its
 * percentile alone, as in LoadGen's FindPeakPerformance. The result is a run of full length at that load; an invalid
 * one is repeated 2 % lower, down to half of Offline.
 */
export async function findPeak(sut: SystemUnderTest, peak: Peak, options: ServerOptions): Promise<Result> {
  const trial = async (share: number, least: Least) => {
    const result = await serverRun(sut, { ...peak, ...least, qps: (peak.offline * share) / 100 }, options);
    options.onTrial?.(result);
    return result;
  };
  let [low, high] = [50, 101];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const { overBound = 0, queries } = await trial(middle, peak.search);
    if (overBound <= mostBeyond(queries, percentile)) low = middle;
    else high = middle;
  }
  let result = await trial(low, peak.final);
  for (let share = low - 2; !result.valid && share >= 50; share -= 2) result = await trial(share, peak.final);
  return result;
}

const percentile = 0.99;

export interface ServerLoad extends Least {
  readonly qps: number;
  readonly bound: number;
  readonly seed?: bigint | undefined;
}

/** One Server run at a fixed load. A run whose percentile cannot keep the bound any more ends early. */
export async function serverRun(sut: SystemUnderTest, load: ServerLoad, options: RunOptions): Promise<Result> {
  const { bound, duration, queries } = load;
  const arrivals = poissonArrivals(load);
  const giveUp = { bound, most: mostBeyond(arrivals.length, percentile) };
  const run = await runServer(sut, arrivals, { ...options, giveUp });
  return judge(run, { scenario: "server", percentile, bound, duration, queries });
}
