/** Nanoseconds of a subgroup, unless said otherwise. scripts/costs.ts measures how well they choose. */
export interface Cost {
  /** Lanes of a subgroup. */
  readonly lanes: number;
  /** Workgroups that are computed at the same time. 1 on software adapters: each core takes its share of any work. */
  readonly cores: number;
  /** A vec4 for each lane. */
  readonly load: number;
  readonly store: number;
  /** A number of a lane, given to all. */
  readonly broadcast: number;
  readonly fma: number;
  /** A sum that lives through a step of a loop. */
  readonly keep: number;
  /** A step of a loop, whatever it does. */
  readonly step: number;
  /** A byte of weights: reading it once a run, and what its upload and its memory are worth. */
  readonly byte: number;
}

/** What costs nothing unless said otherwise. */
export const free = { broadcast: 0, keep: 0, step: 0, byte: 0 };

/** Nanoseconds of a dispatch: workgroups that take `each`. */
export function costOf(workgroups: number, each: number, { cores }: Cost): number {
  return Math.max(1, workgroups / cores) * each;
}

/** Adds bias and perhaps a residual to sums, finds their places, and stores them. */
export function epilogueCost(sums: number, { load, store }: Cost): number {
  return (sums / 4) * (2 * load + store);
}
