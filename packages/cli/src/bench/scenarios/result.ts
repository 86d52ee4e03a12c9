import { minPassing, mostOver } from "./early-stopping.ts";
import type { Least, Run } from "./load-generator.ts";

export type Scenario = "single" | "multi" | "server" | "offline";

/** MLPerf's rules of a scenario. */
export interface Rules extends Least {
  readonly scenario: Scenario;
  /** The percentile that is reported, or held to the bound: 0.9, 0.99. Offline has none. */
  readonly percentile?: number | undefined;
  /** The Server scenario's bound of that percentile, milliseconds. */
  readonly bound?: number;
}

/** Milliseconds. */
export interface Latencies {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p97: number;
  readonly p99: number;
  readonly p999: number;
}

/** A run, judged as LoadGen judges it. */
export interface Result {
  readonly scenario: Scenario;
  readonly valid: boolean;
  /** Why it is invalid; empty for a valid run. */
  readonly reasons: readonly string[];
  readonly queries: number;
  readonly samples: number;
  /** Queries that got no answer; their latency counts as infinite, which is null in JSON. */
  readonly refused: number;
  /** Samples a second: (queries − 1) / time of the last schedule or answer; Offline's are samples / last answer. */
  readonly scheduledPerSecond?: number;
  readonly completedPerSecond: number;
  readonly latency: Latencies;
  readonly percentile: number | undefined;
  /** Server: the bound of the percentile in milliseconds, and the queries beyond it. */
  readonly bound: number | undefined;
  readonly overBound: number | undefined;
  /** Single and multi: the percentile with 99 % confidence, the scenario's result. Milliseconds. */
  readonly earlyStoppingEstimate: number | undefined;
  /** Milliseconds. */
  readonly duration: number;
  readonly minDuration: number;
  readonly minQueries: number;
}

/** The value at a share of sorted latencies, as LoadGen takes it: `sorted[⌊n·share⌋]`. */
export function percentileOf(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.POSITIVE_INFINITY;
}

/** The most of these latencies that may be above a bound which their percentile keeps. */
export function mostBeyond(queries: number, percentile: number): number {
  return queries - 1 - Math.floor(queries * percentile);
}

/** A refused query counts as one that is never answered: its latency is infinite. */
export function judge(run: Run, rules: Rules): Result {
  const { scenario, percentile, bound } = rules;
  const refused = Array<number>(run.refused).fill(Number.POSITIVE_INFINITY);
  const sorted = Float64Array.from([...run.latencies, ...refused]).sort();
  const queries = sorted.length;
  const duration = scenario === "offline" ? run.lastAnswered : run.lastIssued;
  const overBound = sorted.filter((latency) => latency > (bound ?? Number.POSITIVE_INFINITY)).length;
  const reasons = reasonsOf({ ...run, queries, overBound, duration }, rules);
  return {
    scenario,
    valid: reasons.length === 0,
    reasons,
    queries,
    samples: queries * run.samplesPerQuery,
    refused: run.refused,
    ...ratesOf(scenario, queries, run),
    latency: latenciesOf(sorted),
    percentile,
    bound,
    overBound: bound === undefined ? undefined : overBound,
    earlyStoppingEstimate: scenario === "single" || scenario === "multi" ? estimateOf(sorted, percentile!) : undefined,
    duration,
    minDuration: rules.duration,
    minQueries: rules.queries,
  };
}

interface Found extends Pick<Run, "refused" | "isGivenUp"> {
  readonly queries: number;
  readonly overBound: number;
  readonly duration: number;
}

/** In the order of LoadGen's summary: performance, duration, queries, early stopping. */
function reasonsOf(found: Found, { scenario, percentile = 0, bound, duration, queries }: Rules): readonly string[] {
  const reasons: string[] = [];
  const percent = `p${100 * percentile}`;
  if (bound !== undefined && found.overBound > mostBeyond(found.queries, percentile))
    reasons.push(`${percent} is above the bound of ${bound.toFixed(1)} ms; give fewer queries a second`);
  if (found.isGivenUp) return reasons; // the rest was not tried
  if (bound === undefined && found.refused > 0) reasons.push(`${found.refused} queries were refused`);
  if (found.duration < duration)
    reasons.push(`it took ${seconds(found.duration)}, less than ${seconds(duration)}; give more queries`);
  if (found.queries < queries) reasons.push(`${found.queries} queries are fewer than ${queries}`);
  if (scenario !== "offline") {
    const over = bound === undefined ? 1 : found.overBound;
    const needed = over + minPassing(over, percentile);
    if (found.queries < needed)
      reasons.push(
        `early stopping: ${found.queries} queries are too few to be 99 % sure of ${percent}: ${needed} are needed`,
      );
  }
  return reasons;
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1e3).toFixed(1)} s`;

/** One less than the queries divided by the time of the last: the last one opens an interval that it does not fill. */
function ratesOf(scenario: Scenario, queries: number, { samplesPerQuery, lastIssued, lastAnswered }: Run) {
  const rate = (count: number, milliseconds: number) => (1e3 * count * samplesPerQuery) / milliseconds;
  if (scenario === "offline") return { completedPerSecond: rate(queries, lastAnswered) };
  const completedPerSecond = rate(queries - 1, lastAnswered);
  return scenario === "server"
    ? { scheduledPerSecond: rate(queries - 1, lastIssued), completedPerSecond }
    : { completedPerSecond };
}

function latenciesOf(sorted: Float64Array): Latencies {
  const at = (share: number) => percentileOf(sorted, share);
  return {
    min: at(0),
    mean: sorted.reduce((sum, each) => sum + each, 0) / sorted.length,
    max: at(1),
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p97: at(0.97),
    p99: at(0.99),
    p999: at(0.999),
  };
}

/** The percentile with 99 % confidence: as many of the longest latencies are dropped as early stopping allows. */
function estimateOf(sorted: Float64Array, percentile: number): number | undefined {
  const over = mostOver(sorted.length, percentile);
  return over ? sorted[sorted.length - over] : undefined;
}
