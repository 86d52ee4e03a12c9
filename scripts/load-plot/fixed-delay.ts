import type { Clock } from "../../packages/pipeline/src/serving/index.ts";

interface Waiting<Item> {
  readonly item: Item;
  readonly since: number;
  readonly answer: () => void;
}

/**
 * The batcher of most servers, with one worker: a batch starts once it is full, or once its oldest item has waited
 * `delay` milliseconds. While the worker is busy the delay runs too. As Triton's dynamic batcher with
 * max_queue_delay_microseconds.
 */
export class FixedDelay<Item> {
  readonly #clock: Clock;
  readonly #delay: number;
  readonly #maxBatch: number;
  readonly #run: (items: readonly Item[]) => Promise<unknown>;
  readonly #waiting: Waiting<Item>[] = [];
  #isBusy = false;
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock, delay: number, maxBatch: number, run: (items: readonly Item[]) => Promise<unknown>) {
    this.#clock = clock;
    this.#delay = delay;
    this.#maxBatch = maxBatch;
    this.#run = run;
  }

  submit(item: Item): Promise<void> {
    return new Promise((answer) => {
      this.#waiting.push({ item, since: this.#clock.now(), answer });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    this.#stopTimer?.();
    const [oldest] = this.#waiting;
    if (this.#isBusy || !oldest) return;
    const left = this.#waiting.length >= this.#maxBatch ? 0 : oldest.since + this.#delay - this.#clock.now();
    if (left > 0) this.#stopTimer = this.#clock.after(left, () => this.#dispatch());
    else void this.#start();
  }

  async #start(): Promise<void> {
    this.#isBusy = true;
    const batch = this.#waiting.splice(0, this.#maxBatch);
    await this.#run(batch.map(({ item }) => item));
    for (const { answer } of batch) answer();
    this.#isBusy = false;
    this.#dispatch();
  }
}
