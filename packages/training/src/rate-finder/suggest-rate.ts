/** What a search met at one learning rate. */
export interface TriedRate {
  readonly rate: number;
  /** The mean of the losses so far, in which the last ones count most. */
  readonly loss: number;
}

export interface SuggestedRate {
  /** Where the loss falls fastest: a rate to train with. */
  readonly steepest: number;
  /** A tenth of the rate with the least loss: a cautious one. */
  readonly minimum: number;
}

/** Rates from `from` to `to`, each the same factor above the one before. */
export function exponentialRates(count: number, from: number, to: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => from * (to / from) ** (i / (count - 1)));
}

/** The exponential moving averages of losses, corrected for their start at 0. Source: fastai, AvgSmoothLoss. */
export function smoothed(losses: readonly number[], keep = 0.98): readonly number[] {
  let average = 0;
  return losses.map((loss, i) => {
    average = keep * average + (1 - keep) * loss;
    return average / (1 - keep ** (i + 1));
  });
}

/**
 * Rates to train with, by the curve of a search. The first tenth of `planned` rates, where nothing happens yet, and the
 * last five, where the loss explodes, do not count. Undefined if fewer than two are left. Source: fastai, `steep` and
 * `minimum` of `lr_find` (Smith 2017).
 */
export function suggestRate(tried: readonly TriedRate[], planned: number): SuggestedRate | undefined {
  const counted = tried.slice(Math.floor(planned / 10), -5);
  if (counted.length < 2) return undefined;
  const slopes = counted.slice(1).map(({ rate, loss }, i) => {
    const before = counted[i]!;
    return (loss - before.loss) / (Math.log(rate) - Math.log(before.rate));
  });
  const losses = counted.map(({ loss }) => loss);
  return { steepest: counted[indexOfLeast(slopes)]!.rate, minimum: counted[indexOfLeast(losses)]!.rate / 10 };
}

function indexOfLeast(values: readonly number[]): number {
  return values.reduce((best, value, at) => (value < values[best]! ? at : best), 0);
}
