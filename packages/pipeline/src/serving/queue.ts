import { abortError, ResidualError, type Signal, throwIfAborted, UnsupportedError } from "@residual/core";
import { BatchCost, type Cost } from "./batch-cost.ts";
import type { Clock } from "./clock.ts";
import { DeadlineError, OverloadedError, UnavailableError } from "./errors.ts";

export interface QueueOptions<Item, Answer> {
  readonly name: string;
  /** The most items of a batch. */
  readonly maxBatch: number;
  /** The most items that wait. Default 16 · maxBatch */
  readonly maxWaiting?: number | undefined;
  /** Runs a batch: an answer for each item, in order. An error among the answers concerns its item alone. */
  run(items: readonly Item[], worker: number): Promise<readonly (Answer | ResidualError)[]>;
}

export interface SubmitOptions {
  /** Aborts the work, which then rejects with AbortError. Waiting items leave the queue at once. */
  readonly signal?: Signal | undefined;
  /** Milliseconds from now. */
  readonly deadline?: number | undefined;
}

export interface Queue<Item, Answer> {
  /**
   * The answers for items, in order. Items are combined with those of other calls, and spread over several batches if
   * there are more than `maxBatch`.
   *
   * Throws OverloadedError if the queue is full or the predicted latency exceeds the deadline, DeadlineError if the
   * deadline passes before all items have started, UnsupportedError for more items than the queue holds,
   * UnavailableError after `close` or `drain`, AbortError, the error of an item, and errors of `run`.
   */
  submit(items: readonly Item[], options?: SubmitOptions): Promise<readonly Answer[]>;
  /** Throws as `submit` would for items that come after `ahead` others, and changes nothing. */
  check(items: number, options?: SubmitOptions, ahead?: number): void;
  /** Takes a run outside of the queue into account for the cost of a batch. */
  learn(items: number, ms: number): void;
  /** Items that have not started. */
  readonly waiting: number;
  /** Milliseconds of a batch, fitted to the batches so far. */
  readonly cost: Cost;
  /** Predicted milliseconds until further items would be answered. 0 before the first batch. */
  predictedWait(items: number): number;
  /** Refuses new items, and resolves when all others are answered. */
  drain(): Promise<void>;
  /** Refuses new items, rejects waiting ones with UnavailableError, and resolves when no batch runs. */
  close(): Promise<void>;
}

/** A finished batch. */
export interface BatchReport {
  readonly model: string;
  readonly worker: number;
  readonly images: number;
  /** Milliseconds in the queue, for each image. */
  readonly waited: readonly number[];
  /** Milliseconds of the run. */
  readonly ms: number;
  /** Why the whole batch failed. */
  readonly error?: unknown;
}

/** The services that a queue needs of its scheduler. */
export interface QueueContext {
  readonly clock: Clock;
  readonly onBatch: ((batch: BatchReport) => void) | undefined;
  /** Starts batches that can start. */
  dispatch(): void;
  /** Predicted milliseconds until the waiting items, and `own` milliseconds of further ones, have run. */
  delay(own: number): number;
  /** Whether a worker is idle and nothing waits. */
  isIdle(): boolean;
  /** The first item has come to an empty queue. */
  activate(): void;
  /** The queue is closed and empty. */
  closed(): void;
}

/** Items of one call of `submit`. */
interface Job<Item, Answer> {
  readonly items: readonly Item[];
  readonly answers: Answer[];
  readonly arrived: number;
  /** Items that have been taken into a batch. */
  started: number;
  answered: number;
  isSettled: boolean;
  settle(error?: unknown): void;
}

interface Part<Item, Answer> {
  readonly job: Job<Item, Answer>;
  readonly index: number;
}

/** First in, first out. */
export class BatchQueue<Item, Answer> implements Queue<Item, Answer> {
  waiting = 0;
  /** Milliseconds of work received, on the scale that the scheduler's queues share. */
  service = 0;
  readonly #options: QueueOptions<Item, Answer>;
  readonly #maxWaiting: number;
  readonly #context: QueueContext;
  readonly #jobs: Job<Item, Answer>[] = [];
  readonly #cost = new BatchCost();
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;
  #whenEmpty: (() => void) | undefined;

  constructor(options: QueueOptions<Item, Answer>, context: QueueContext) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? 16 * options.maxBatch;
    this.#context = context;
  }

  get cost(): Cost {
    return this.#cost.fitted;
  }

  /** Predicted milliseconds of the waiting items. */
  get backlog(): number {
    return this.#work(this.waiting);
  }

  predictedWait(items: number): number {
    return this.#context.delay(this.#work(this.waiting + items) - this.backlog);
  }

  learn(items: number, ms: number): void {
    this.#cost.add(items, ms);
  }

  check(items: number, { signal, deadline = Number.POSITIVE_INFINITY }: SubmitOptions = {}, ahead = 0): void {
    const { name } = this.#options;
    if (this.#isClosed) throw new UnavailableError(`${name} takes no more requests: it is being unloaded`);
    throwIfAborted(signal);
    if (items > this.#maxWaiting)
      throw new UnsupportedError(
        `${name}: a request of ${items} images, and the queue holds ${this.#maxWaiting}; send fewer at a time`,
      );
    if (deadline <= 0) throw new DeadlineError(`${name}: the deadline had passed when the request arrived`);
    const before = this.waiting + ahead;
    const latency = this.predictedWait(ahead + items);
    const excess = before + items - this.#maxWaiting;
    if (excess > 0)
      throw new OverloadedError(
        `${name}: ${before} images wait, and the queue holds ${this.#maxWaiting}`,
        (latency * excess) / before,
      );
    // an idle worker takes any request: only a run corrects a cost that is too high
    if (latency > deadline && !this.#context.isIdle())
      throw new OverloadedError(
        `${name}: an answer would take ${Math.ceil(latency)} ms, and the deadline is in ${Math.floor(deadline)} ms`,
        latency - deadline,
      );
  }

  async submit(items: readonly Item[], options: SubmitOptions = {}): Promise<readonly Answer[]> {
    this.check(items.length, options);
    if (items.length === 0) return [];
    return new Promise((resolve, reject) => this.#enqueue([...items], options, resolve, reject));
  }

  drain(): Promise<void> {
    this.#isClosed = true;
    const empty = new Promise<void>((resolve) => {
      if (this.waiting === 0) resolve();
      else this.#whenEmpty = resolve;
    });
    return empty.then(() => this.close());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#jobs[0])
      this.#jobs[0].settle(new UnavailableError(`${this.#options.name} was closed while the request waited`));
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#context.closed();
  }

  start(worker: number): Promise<void> {
    const running = this.#run(this.#take(), worker).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  /** Predicted milliseconds of items in as few batches as possible. */
  #work(items: number): number {
    const { perItem, perBatch } = this.cost;
    return perItem * items + perBatch * Math.ceil(items / this.#options.maxBatch);
  }

  #enqueue(
    items: readonly Item[],
    { signal, deadline }: SubmitOptions,
    resolve: (answers: readonly Answer[]) => void,
    reject: (error: unknown) => void,
  ): void {
    const { clock } = this.#context;
    const arrived = clock.now();
    const abort = () => job.settle(abortError(signal!));
    const late = () =>
      job.settle(new DeadlineError(`${this.#options.name}: the deadline passed before the work started`));
    const stopTimer = deadline === undefined ? undefined : clock.after(deadline, late);
    const job: Job<Item, Answer> = {
      items,
      answers: [],
      arrived,
      started: 0,
      answered: 0,
      isSettled: false,
      settle: (error) => {
        if (job.isSettled) return;
        job.isSettled = true;
        signal?.removeEventListener("abort", abort);
        stopTimer?.();
        this.#remove(job);
        if (error === undefined) resolve(job.answers);
        else reject(error);
      },
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (this.waiting === 0) this.#context.activate();
    this.#jobs.push(job);
    this.waiting += items.length;
    this.#context.dispatch();
  }

  #remove(job: Job<Item, Answer>): void {
    const place = this.#jobs.indexOf(job);
    if (place < 0) return;
    this.#jobs.splice(place, 1);
    this.waiting -= job.items.length - job.started;
    this.#tellEmpty();
  }

  #tellEmpty(): void {
    if (this.waiting === 0) this.#whenEmpty?.();
  }

  #take(): readonly Part<Item, Answer>[] {
    const parts: Part<Item, Answer>[] = [];
    for (let [job] = this.#jobs; job && parts.length < this.#options.maxBatch; [job] = this.#jobs) {
      parts.push({ job, index: job.started++ });
      if (job.started === job.items.length) this.#jobs.shift();
    }
    this.waiting -= parts.length;
    this.#tellEmpty();
    return parts;
  }

  async #run(parts: readonly Part<Item, Answer>[], worker: number): Promise<void> {
    const { clock, onBatch } = this.#context;
    const begun = clock.now();
    const predicted = this.#cost.of(parts.length);
    this.service += predicted;
    const items = parts.map(({ job, index }) => job.items[index]!);
    const outcome = await this.#outcome(items, worker);
    const ms = clock.now() - begun;
    this.service += ms - predicted;
    if ("answers" in outcome) this.#cost.add(parts.length, ms);
    for (const [place, { job, index }] of parts.entries()) {
      if ("answers" in outcome) answer(job, index, outcome.answers[place]!);
      else job.settle(outcome.error);
    }
    const waited = parts.map(({ job }) => begun - job.arrived);
    const failed = "error" in outcome ? { error: outcome.error } : {};
    onBatch?.({ model: this.#options.name, worker, images: parts.length, waited, ms, ...failed });
  }

  async #outcome(
    items: readonly Item[],
    worker: number,
  ): Promise<{ readonly answers: readonly (Answer | ResidualError)[] } | { readonly error: unknown }> {
    try {
      return { answers: await this.#options.run(items, worker) };
    } catch (error) {
      return { error };
    }
  }
}

function answer<Answer>(job: Job<unknown, Answer>, index: number, found: Answer | ResidualError): void {
  if (found instanceof ResidualError) {
    job.settle(found);
    return;
  }
  job.answers[index] = found;
  job.answered++;
  if (job.answered === job.items.length) job.settle();
}
