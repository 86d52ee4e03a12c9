import { bold, paragraphs, table } from "../../terminal.ts";
import type { Measured, ServerMeasured } from "./measure.ts";
import type { Latencies, Result, Scenario } from "./result.ts";

/** One scenario of a model, as the command reports it. */
export interface Report extends Measured {
  readonly model: string;
  readonly scenario: Scenario;
  readonly backend: {
    readonly name: string;
    readonly library: string;
    readonly version: string;
    readonly device: string;
  };
  readonly workers: number;
  readonly maxBatch: number;
}

const names = { single: "SingleStream", multi: "MultiStream", server: "Server", offline: "Offline" } as const;

/** MLPerf's own least span of a run and samples of Offline: its inference_rules.adoc, table of scenarios. */
const official = { seconds: 600, offlineSamples: 24_576 };

export function reportWords(report: Report): readonly string[] {
  const { model, scenario, backend, workers, maxBatch, result, server } = report;
  const on = `${backend.name} (${backend.library} ${backend.version}, ${backend.device})`;
  const pool = `${count(workers, "worker")}, batches of up to ${maxBatch}`;
  return paragraphs([
    [bold(`${model}, MLPerf's ${names[scenario]} scenario`), `${on}, ${pool}`],
    [...(server ? serverWords(result, server) : []), ...resultWords(result)],
    latencyWords(result.latency),
    ...(server && server.trials.length > 1 ? [trialWords(server)] : []),
    rulesWords(result),
  ]);
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
const ms = (value: number): string => value.toFixed(value < 100 ? 2 : value < 1000 ? 1 : 0);
const perSecond = (value: number): string => `${value.toFixed(1)} samples/s`;
const validity = ({ valid }: Result): string => (valid ? "VALID" : "INVALID");

function serverWords(result: Result, { offline, batchTime, share }: ServerMeasured): readonly string[] {
  const [before, after] = offline.map(({ completedPerSecond }) => perSecond(completedPerSecond));
  const { images, batches } = batchTime;
  return [
    `Offline      ${before} before, ${after} after`,
    `batch time   ${ms(batchTime.ms)} ms: ${count(images, "image")}, median of ${batches} such batches in Offline`,
    `bound        p99 of ${ms(result.bound!)} ms, ${(result.bound! / batchTime.ms).toFixed(2)} batch times`,
    `share        ${share.toFixed(3)} of the faster Offline`,
  ];
}

function resultWords(result: Result): readonly string[] {
  const { scenario, percentile = 0, earlyStoppingEstimate: estimate, latency, scheduledPerSecond: scheduled } = result;
  const p = `p${100 * percentile}`;
  const sure = estimate === undefined ? "unknown: too few queries" : `${ms(estimate)} ms`;
  const figure = {
    single: `${p} latency ${ms(latency.p90)} ms; with 99 % confidence ${sure}`,
    multi: `${p} latency ${ms(latency.p99)} ms; with 99 % confidence ${sure}`,
    server: `${perSecond(scheduled ?? 0)} scheduled, ${perSecond(result.completedPerSecond)} completed`,
    offline: perSecond(result.completedPerSecond),
  }[scenario];
  const counts = `${count(result.queries, "query").replace("querys", "queries")} in ${seconds(result.duration)}`;
  const over = result.overBound === undefined ? "" : `, ${result.overBound} above the bound`;
  return [
    `${names[scenario].padEnd(13)}${figure}`,
    `result       ${validity(result)}: ${counts}${over}`,
    ...result.reasons.map((reason) => `  ${reason}`),
  ];
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1e3).toFixed(1)} s`;

function latencyWords({ min, mean, max, p50, p90, p95, p97, p99, p999 }: Latencies): readonly string[] {
  const heading = ["latency, ms", "min", "mean", "p50", "p90", "p95", "p97", "p99", "p99.9", "max"];
  return table(heading, [["", ...[min, mean, p50, p90, p95, p97, p99, p999, max].map(ms)]]);
}

function trialWords({ trials, offline }: ServerMeasured): readonly string[] {
  const rows = trials.map((trial) => [
    (trial.scheduledPerSecond ?? 0).toFixed(1),
    ((trial.scheduledPerSecond ?? 0) / offline[0]!.completedPerSecond).toFixed(3),
    `${trial.queries} in ${seconds(trial.duration)}`,
    ms(trial.latency.p99),
    `${trial.overBound}`,
  ]);
  return table(["scheduled/s", "of Offline", "queries", "p99, ms", "above the bound"], rows);
}

/** The differences from MLPerf's own rules. */
function rulesWords({ scenario, minDuration, minQueries }: Result): readonly string[] {
  const isLong = minDuration >= 1e3 * official.seconds;
  const isMany = scenario !== "offline" || minQueries >= official.offlineSamples;
  if (isLong && isMany) return ["Duration and queries are those of MLPerf's rules."];
  const options = [
    ...(isLong ? [] : [`--duration ${official.seconds}`]),
    ...(isMany ? [] : [`--queries ${official.offlineSamples}`]),
  ];
  return [`A run takes at least ${seconds(minDuration)} here; MLPerf's rules: ${options.join(" ")}.`];
}
