import { OptionError } from "@residual/pipeline";
import type { FitPlatform } from "../fit/fit.ts";
import { nonFiniteIn } from "../fit/non-finite.ts";
import type { FitOptions } from "../fit/options.ts";
import { prepare } from "../fit/prepare.ts";
import { exponentialRates, type SuggestedRate, smoothed, suggestRate, type TriedRate } from "./suggest-rate.ts";

export interface RateSearchOptions extends Omit<FitOptions, "epochs" | "schedule" | "learningRate" | "out"> {
  /** Default 1e-7 */
  readonly from?: number | undefined;
  /** Default 10 */
  readonly to?: number | undefined;
  /** Steps, each with a higher rate. Default 100 */
  readonly steps?: number | undefined;
}

export interface RateSearch {
  readonly tried: readonly TriedRate[];
  /** Undefined if the search ended after too few steps. */
  readonly suggested: SuggestedRate | undefined;
}

/** The search ends once the loss is this many times the least so far. */
const DIVERGED = 4;

/**
 * Trains a network for some steps, each with a higher learning rate than the one before, and suggests a rate by the
 * losses. The weights are dropped. Ends when the loss diverges. Source: Smith 2017; fastai, `lr_find`.
 *
 * Throws as `fit` does.
 */
export async function findLearningRateOn(platform: FitPlatform, options: RateSearchOptions): Promise<RateSearch> {
  const { from = 1e-7, to = 10, steps = 100, signal, onProgress } = options;
  if (!(from > 0 && from < to && Number.isSafeInteger(steps) && steps > 1))
    throw new OptionError(
      `a search needs two steps or more from a rate above 0 to a higher one; found ${steps}, ${from}, ${to}`,
    );
  const rates = exponentialRates(steps, from, to);
  const { accumulate = 1 } = options;
  const schedule = () => (step: number) => rates[step] ?? to;
  const epochs = Math.ceil((steps * accumulate) / Math.max(batchesIn(options), 1));
  const { course, backend, step: graph, network } = await prepare({ ...options, epochs, schedule });
  const maker = platform.makerOf(options.threads ?? (network.preprocessing ? undefined : 0));
  const losses: number[] = [];
  try {
    await using executable = await backend.compile(graph, { signal });
    for (let epoch = 0; epoch < epochs; epoch++) {
      let batch = 0;
      for await (const each of course.batchesFrom({ epoch, batch: 0 }, maker, signal)) {
        const { loss } = await executable.run(course.inputsOf(each, { epoch, batch: batch++ }), { signal });
        const isOver = nonFiniteIn(loss) !== undefined;
        if (!isOver) losses.push(loss.data[0]!);
        onProgress?.({ stage: "search", done: losses.length, total: steps * accumulate });
        if (isOver || losses.length === steps * accumulate || hasDiverged(losses))
          return found(losses, rates, accumulate);
      }
    }
    return found(losses, rates, accumulate);
  } finally {
    await maker.close();
  }
}

function batchesIn({ train, batch = 128 }: RateSearchOptions): number {
  return Math.floor(train.examples.length / Math.min(batch, train.examples.length));
}

function hasDiverged(losses: readonly number[]): boolean {
  const curve = smoothed(losses);
  return curve.at(-1)! > DIVERGED * Math.min(...curve);
}

/** One loss for each rate: the last of its batches. */
function found(losses: readonly number[], rates: readonly number[], accumulate: number): RateSearch {
  const curve = smoothed(losses).filter((_, i) => (i + 1) % accumulate === 0);
  const tried = curve.map((loss, i) => ({ rate: rates[i]!, loss }));
  return { tried, suggested: suggestRate(tried, rates.length) };
}
