import type { Clock } from "../serving/clock.ts";

/** Time that passes from event to event, as fast as the events are handled. */
export class VirtualClock implements Clock {
  #now = 0;
  #events: { readonly time: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const event = { time: this.#now + ms, callback };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((each) => each !== event);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Handles all events up to a time, in order; then calls back after each, when its promises are settled. */
  async run(until = Number.POSITIVE_INFINITY, onSettled: () => void = () => {}): Promise<void> {
    for (;;) {
      const next = this.#events.reduce((a, b) => (b.time < a.time ? b : a), this.#events[0] ?? { time: until });
      if (!("callback" in next) || next.time > until) break;
      this.#events = this.#events.filter((each) => each !== next);
      this.#now = next.time;
      next.callback();
      await new Promise((resolve) => setImmediate(resolve));
      onSettled();
    }
    if (Number.isFinite(until)) this.#now = until;
  }
}
