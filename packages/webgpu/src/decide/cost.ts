/**
 * The costs of a subgroup's operations, in nanoseconds unless noted. scripts/costs.ts measures how well strategies are
 * chosen by these costs.
 */
export interface Cost {
  /** Lanes of a subgroup. */
  readonly lanes: number;
  /**
   * Workgroups that run at the same time. 1 on software adapters, which divide the work of any dispatch among all
   * cores.
   */
  readonly cores: number;
  /** A load of one vec4 per lane. */
  readonly load: number;
  readonly store: number;
  /** A broadcast of one lane's number to all lanes. */
  readonly broadcast: number;
  readonly fma: number;
  /** Keeping one sum through a step of a loop. */
  readonly keep: number;
  /** The overhead of one step of a loop. */
  readonly step: number;
  /** A byte of weights: reading it in each run, and a share of its upload and its memory. */
  readonly byte: number;
}

/** The operations that cost nothing unless a profile gives a cost. */
export const free = { broadcast: 0, keep: 0, step: 0, byte: 0 };

/** Nanoseconds of a dispatch whose workgroups take `each` nanoseconds. */
export function costOf(workgroups: number, each: number, { cores }: Cost): number {
  return Math.max(1, workgroups / cores) * each;
}

/** Nanoseconds to add bias and residual to `sums` numbers per lane, and to store them. */
export function epilogueCost(sums: number, { load, store }: Cost): number {
  return (sums / 4) * (2 * load + store);
}
