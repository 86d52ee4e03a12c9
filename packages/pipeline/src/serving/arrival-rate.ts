/** Share of the newest gap in the mean. */
const NEWEST = 0.1;

/** The rate at which items arrive, as an exponential mean of the gaps between them. */
export class ArrivalRate {
  #gap = Number.POSITIVE_INFINITY;
  #last: number | undefined;

  add(items: number, now: number): void {
    if (this.#last !== undefined) {
      const gap = (now - this.#last) / items;
      this.#gap = Number.isFinite(this.#gap) ? this.#gap + NEWEST * (gap - this.#gap) : gap;
    }
    this.#last = now;
  }

  /** Expected milliseconds from now to the next item. Infinite before the second item. */
  gap(now: number): number {
    return this.#last === undefined ? this.#gap : Math.max(this.#gap, now - this.#last);
  }
}
