import type { ModelName } from "@residual/core";
import { checkBackend, checkLogits } from "@residual/pipeline";
import { systemClock } from "@residual/pipeline/serving";
import type { Context } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { modelCalled, modelNamed } from "../../names.ts";
import { type Output, paragraphs, progressBar, remarkInLines, say } from "../../terminal.ts";
import { measureScenario } from "./measure.ts";
import type { Scenario } from "./result.ts";
import { openServedSystem } from "./served.ts";
import { type Report, reportWords } from "./words.ts";

export interface ScenarioOptions extends Output {
  readonly scenario: Scenario;
  readonly backends: string;
  readonly batch?: number;
  readonly threads?: number;
  readonly workers: number;
  /** Seconds. */
  readonly duration: number;
  readonly queries?: number;
  readonly qps?: number;
  /** Milliseconds. */
  readonly latency?: number;
}

/** Runs one of MLPerf's scenarios for each model. */
export async function benchScenario(
  models: readonly string[],
  options: ScenarioOptions,
  signal: Context["signal"],
): Promise<void> {
  if (options.backends.includes(","))
    throw new UsageError(`--scenario runs on one backend, --backends has ${options.backends}`);
  await checkBackend(options.backends);
  const names = (models.length > 0 ? models : ["resnet18"]).map(modelCalled);
  for (const name of names) checkLogits(modelNamed(name));
  const bar = progressBar();
  const reports: Report[] = [];
  try {
    for (const name of names) reports.push(await reportOf(name, options, signal, bar.onProgress));
  } finally {
    bar.end();
  }
  say(options, reports, () => paragraphs(reports.map(reportWords)));
}

/** The model with the fixture's weights: speed does not depend on them. */
async function reportOf(
  model: ModelName,
  options: ScenarioOptions,
  signal: Context["signal"],
  onProgress: ReturnType<typeof progressBar>["onProgress"],
): Promise<Report> {
  const { backends: backend, workers, threads, batch: maxBatch, scenario } = options;
  const pool = { workers, threads, maxBatch, backend, onWarning: remarkInLines };
  await using system = await openServedSystem({ model, ...pool, signal, onProgress });
  const { duration, queries, qps, latency } = options;
  const given = { duration: 1e3 * duration, queries, qps, bound: latency };
  const measured = await measureScenario(system, scenario, given, { clock: systemClock, signal, onProgress });
  const { served } = system;
  return { model, scenario, backend: served.backend, workers, maxBatch: served.maxBatch, ...measured };
}
