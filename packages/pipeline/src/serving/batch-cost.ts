/** Batches that the fit looks at. */
const WINDOW = 64;
/** Weight of a batch relative to the following one: half the weight is on the last 14. */
const FORGETTING = 0.95;
/** Weight of the previous fit relative to all batches of the window. */
const PRIOR = 0.01;
/** The least time of a batch, in ms: a clock may be coarse. */
const SHORTEST = 1e-3;
/** Rounds of reweighting. Each reduces the influence of outliers. */
const ROUNDS = 8;

/** Milliseconds for a batch of n items: perItem · n + perBatch. */
export interface Cost {
  readonly perItem: number;
  readonly perBatch: number;
}

interface Batch {
  readonly items: number;
  readonly ms: number;
}

/**
 * The cost of a batch, a·n + b, fitted to the batches so far with a, b ≥ 0.
 *
 * The fit minimizes the sum of weighted absolute errors, by least squares reweighted with the inverse of the errors. A
 * few outliers, such as a first run that allocates memory, do not move such a fit. The weight of a batch decreases
 * exponentially with its age.
 *
 * Batches of one size alone determine a·n + b, and not a and b. The previous fit, scaled to the batches, decides the
 * rest: a machine that slows down makes both slower. The first fit has b = 0.
 */
export class BatchCost {
  readonly #batches: Batch[] = [];
  #cost: Cost = { perItem: 0, perBatch: 0 };

  get fitted(): Cost {
    return this.#cost;
  }

  /** Predicted milliseconds of a batch. 0 before the first batch. */
  of(items: number): number {
    return this.#cost.perItem * items + this.#cost.perBatch;
  }

  /** Takes a finished batch into account. */
  add(items: number, elapsed: number): void {
    const ms = Math.max(elapsed, SHORTEST);
    if (this.#batches.push({ items, ms }) > WINDOW) this.#batches.shift();
    const aged = this.#batches.map((batch, index) => ({
      ...batch,
      weight: FORGETTING ** (this.#batches.length - 1 - index),
    }));
    const start = this.of(1) > 0 ? this.#cost : { perItem: ms / items, perBatch: 0 };
    const scale = medianOf(aged.map((batch) => ({ ...batch, value: batch.ms / predicted(start, batch.items) })));
    const prior = { perItem: start.perItem * scale, perBatch: start.perBatch * scale };
    this.#cost = leastAbsolute(aged, prior);
  }
}

type Weighted = Batch & { readonly weight: number };

function predicted({ perItem, perBatch }: Cost, items: number): number {
  return perItem * items + perBatch;
}

function medianOf(values: readonly { readonly value: number; readonly weight: number }[]): number {
  const sorted = values.toSorted((a, b) => a.value - b.value);
  let left = values.reduce((sum, { weight }) => sum + weight, 0) / 2;
  for (const { value, weight } of sorted) {
    left -= weight;
    if (left <= 0) return value;
  }
  return sorted.at(-1)!.value;
}

/** The fit of least absolute errors, by reweighted least squares from the prior on. */
function leastAbsolute(batches: readonly Weighted[], prior: Cost): Cost {
  let cost = prior;
  for (let round = 0; round < ROUNDS; round++) {
    const reweighted = batches.map((batch) => {
      const floor = 0.01 * batch.ms + 1e-6; // an exact fit would have an infinite weight
      return { ...batch, weight: batch.weight / Math.max(Math.abs(batch.ms - predicted(cost, batch.items)), floor) };
    });
    cost = leastSquares(reweighted, prior);
  }
  return cost;
}

/** The weighted least squares with a, b ≥ 0, and a weak pull to the prior. */
function leastSquares(batches: readonly Weighted[], prior: Cost): Cost {
  let [w, wn, wnn, wt, wnt] = [0, 0, 0, 0, 0];
  for (const { items, ms, weight } of batches) {
    w += weight;
    wn += weight * items;
    wnn += weight * items * items;
    wt += weight * ms;
    wnt += weight * items * ms;
  }
  const [pullA, pullB] = [PRIOR * wnn, PRIOR * w];
  const [aa, bb] = [wnn + pullA, w + pullB];
  const [at, bt] = [wnt + pullA * prior.perItem, wt + pullB * prior.perBatch];
  const determinant = aa * bb - wn * wn; // > 0: each pull is
  const perItem = (at * bb - bt * wn) / determinant;
  const perBatch = (bt * aa - at * wn) / determinant;
  if (perBatch < 0) return { perItem: wnt / wnn, perBatch: 0 };
  if (perItem < 0) return { perItem: 0, perBatch: wt / w };
  return { perItem, perBatch };
}
