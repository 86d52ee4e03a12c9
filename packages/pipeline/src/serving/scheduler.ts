import { type Clock, systemClock } from "./clock.ts";
import { BatchQueue, type BatchReport, type Queue, type QueueOptions } from "./queue.ts";

export interface SchedulerOptions {
  /** The most batches that run at a time. */
  readonly workers: number;
  readonly clock?: Clock | undefined;
  readonly onBatch?: ((batch: BatchReport) => void) | undefined;
}

/** The part of a queue that the scheduler sees. */
interface Dispatchable {
  readonly waiting: number;
  /** Milliseconds of work received so far, on a scale that all queues share. */
  service: number;
  /** Predicted milliseconds of the waiting items. */
  readonly backlog: number;
  /** Takes items off the queue and runs them. Settles when the worker is idle. */
  start(worker: number): Promise<void>;
}

interface Worker {
  isSuspended: boolean;
  /** Predicted end of the running batch; undefined for an idle worker. */
  until: number | undefined;
}

/**
 * Takes batches from several queues to a few workers.
 *
 * It starts a batch as soon as a worker is idle, and never waits for more items, since waiting cannot lower the total
 * latency. There are n items, the next one is expected after g ms, and a batch of n takes r = a·n + b. If the batch
 * starts now, m = r / g items come until it ends, and share the next batch. If it starts with the next item,
 *
 *   the n items take   n·(g + a) more,
 *   the next item      a·(n + 1) + b   instead of   (r − g) + a·m + b,
 *   the m − 1 others   (m − 1)·(g + a) more: their batch starts later, and is no smaller, since more items come.
 *
 * The sum is n·(g + 2·a) > 0 more. If the next item comes later than r, waiting delays all items and saves nothing.
 * docs/decisions/2026-11-30-scheduler.md has the simulation.
 *
 * Among several queues, the one that has received the least service goes first (start-time fair queueing, Goyal et al.
 * 1996): the service that two busy queues have received differs by at most one batch of each.
 */
export class Scheduler {
  readonly #workers: readonly Worker[];
  readonly #clock: Clock;
  readonly #onBatch: ((batch: BatchReport) => void) | undefined;
  readonly #queues = new Set<Dispatchable>();
  /** Service received by the queue of the latest batch, before that batch. */
  #virtualTime = 0;

  constructor({ workers, clock = systemClock, onBatch }: SchedulerOptions) {
    this.#workers = Array.from({ length: workers }, () => ({ isSuspended: false, until: undefined }));
    this.#clock = clock;
    this.#onBatch = onBatch;
  }

  queue<Item, Answer>(options: QueueOptions<Item, Answer>): Queue<Item, Answer> {
    const queue: BatchQueue<Item, Answer> = new BatchQueue(options, {
      clock: this.#clock,
      onBatch: this.#onBatch,
      dispatch: () => this.#dispatch(),
      delay: (own) => this.#delay(queue, own),
      isIdle: () => this.#idle() >= 0 && [...this.#queues].every(({ waiting }) => waiting === 0),
      activate: () => this.#activate(queue),
      closed: () => this.#queues.delete(queue),
    });
    this.#queues.add(queue);
    return queue;
  }

  /** Gives a worker no further batches until `resume`. */
  suspend(worker: number): void {
    this.#workers[worker]!.isSuspended = true;
  }

  resume(worker: number): void {
    this.#workers[worker]!.isSuspended = false;
    this.#dispatch();
  }

  /** Starts batches while there are an idle worker and a queue with work. */
  #dispatch(): void {
    for (;;) {
      const idle = this.#idle();
      const next = idle < 0 ? undefined : this.#next();
      if (!next) return;
      this.#start(next, idle);
    }
  }

  /** The first idle worker, or -1. */
  #idle(): number {
    return this.#workers.findIndex(({ isSuspended, until }) => !isSuspended && until === undefined);
  }

  /** The queue with work that has received the least service. */
  #next(): Dispatchable | undefined {
    let next: Dispatchable | undefined;
    for (const queue of this.#queues) if (queue.waiting > 0 && !(next && next.service <= queue.service)) next = queue;
    return next;
  }

  #start(queue: Dispatchable, index: number): void {
    const worker = this.#workers[index]!;
    this.#virtualTime = queue.service;
    const before = queue.backlog;
    const running = queue.start(index);
    worker.until = this.#clock.now() + before - queue.backlog;
    void running.finally(() => {
      worker.until = undefined;
      this.#dispatch();
    });
  }

  /** A queue has no claim on the time in which it had no work. */
  #activate(queue: Dispatchable): void {
    queue.service = Math.max(queue.service, this.#virtualTime);
  }

  /**
   * Predicted milliseconds until a queue's waiting items, and `own` milliseconds of further ones, have run. Another
   * queue delays them by its backlog, or by as much service as this queue gets meanwhile, whichever is less.
   */
  #delay(queue: Dispatchable, own: number): number {
    const now = this.#clock.now();
    const mine = queue.backlog + own;
    const others = [...this.#queues].filter((each) => each !== queue).map(({ backlog }) => Math.min(backlog, mine));
    const running = this.#workers.map(({ until = now }) => Math.max(0, until - now));
    const active = Math.max(1, this.#workers.filter(({ isSuspended }) => !isSuspended).length);
    const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
    return (sum(others) + sum(running) + queue.backlog) / active + own;
  }
}
