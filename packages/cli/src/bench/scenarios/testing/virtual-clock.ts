import type { Clock } from "@residual/pipeline/serving";

/** A clock whose time jumps to the next timer as soon as nothing else is left to do. */
export class VirtualClock implements Clock {
  #now = 0;
  #count = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const id = this.#count++;
    this.#timers.set(id, { at: this.#now + Math.max(0, ms), callback });
    return () => this.#timers.delete(id);
  }

  /** Runs timers in the order of their times, then of their making, until the work settles. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = work.finally(() => {
      isSettled = true;
    });
    settled.catch(() => {}); // the caller gets it below
    for (;;) {
      await new Promise(setImmediate); // all that follows from the last timer, however many promises long
      if (isSettled) return settled;
      this.#fireNext();
    }
  }

  #fireNext(): void {
    const [id, { at, callback }] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a));
    this.#timers.delete(id);
    this.#now = at;
    callback();
  }
}
