import { ResidualError, type Signal, throwIfAborted } from "@residual/core";
import type { Clock } from "@residual/pipeline/serving";
import { until } from "./until.ts";

/** The system under test. */
export interface SystemUnderTest {
  /** Answers a query of `samples` images. Rejects with OverloadedError or DeadlineError to refuse the query. */
  issue(samples: number): Promise<unknown>;
}

/** The queries of one run. Times are in milliseconds from its start. */
export interface Run {
  /** Of each answered query, from its scheduled time to its answer; in the order of the answers. */
  readonly latencies: readonly number[];
  /** Queries refused or out of time. */
  readonly refused: number;
  readonly samplesPerQuery: number;
  /** When the last query was due; where there is no schedule, when it was issued. */
  readonly lastIssued: number;
  readonly lastAnswered: number;
  /** Whether the run was given up. */
  readonly isGivenUp: boolean;
}

export interface RunOptions {
  readonly clock: Clock;
  readonly signal: Signal;
  /** Called with the share that is done, 0 to 1. */
  readonly onShare?: (done: number) => void;
}

/** Least span and number of queries of a run. Milliseconds. */
export interface Least {
  readonly duration: number;
  readonly queries: number;
}

/** SingleStream and MultiStream: the next query is issued as soon as the one before is answered. */
export async function runStream(
  sut: SystemUnderTest,
  samples: number,
  { duration, queries }: Least,
  options: RunOptions,
): Promise<Run> {
  const recorder = new Recorder(sut, samples, options);
  for (let issued = 0; issued < queries || recorder.lastIssued < duration; issued++) {
    throwIfAborted(options.signal);
    const now = recorder.elapsed();
    await recorder.issue(now);
    recorder.throwIfFailed();
    options.onShare?.(Math.min((issued + 1) / queries, now / duration, 1));
  }
  return recorder.run();
}

/** When to give a Server run up: more than `most` of its latencies are above `bound` milliseconds. */
export interface GiveUp {
  readonly bound: number;
  readonly most: number;
}

/**
 * Server: queries of one sample at the times of a schedule, whether the earlier ones are answered or not. A latency
 * begins at the scheduled time, so that a late load generator counts against the result.
 */
export async function runServer(
  sut: SystemUnderTest,
  arrivals: Float64Array,
  options: RunOptions & { readonly giveUp?: GiveUp },
): Promise<Run> {
  const { clock, signal, onShare, giveUp = { bound: Number.POSITIVE_INFINITY, most: 0 } } = options;
  const recorder = new Recorder(sut, 1, options, giveUp.bound);
  const answers: Promise<void>[] = [];
  try {
    for (const [index, due] of arrivals.entries()) {
      recorder.throwIfFailed();
      if (recorder.giveUpAbove(giveUp.most)) break;
      if (due > recorder.elapsed()) {
        await until(clock, recorder.start + due, signal);
        onShare?.(index / arrivals.length);
      }
      answers.push(recorder.issue(due));
    }
  } finally {
    await Promise.all(answers);
  }
  return recorder.run();
}

/** Offline: all samples at once. LoadGen issues them as one query; each is recorded here alone. */
export async function runOffline(sut: SystemUnderTest, samples: number, options: RunOptions): Promise<Run> {
  const recorder = new Recorder(sut, 1, options);
  let done = 0;
  const answers = Array.from({ length: samples }, async () => {
    await recorder.issue(0);
    options.onShare?.(++done / samples);
  });
  await Promise.all(answers);
  return recorder.run();
}

const refusals: readonly string[] = ["OverloadedError", "DeadlineError"];

class Recorder {
  readonly start: number;
  lastIssued = 0;
  /** Answers above the bound, and refusals. */
  #over = 0;
  #isGivenUp = false;
  readonly #latencies: number[] = [];
  #refused = 0;
  #lastAnswered = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #sut: SystemUnderTest;
  readonly #samples: number;
  readonly #clock: Clock;
  readonly #bound: number;

  constructor(sut: SystemUnderTest, samples: number, { clock }: RunOptions, bound = Number.POSITIVE_INFINITY) {
    this.#sut = sut;
    this.#samples = samples;
    this.#clock = clock;
    this.#bound = bound;
    this.start = clock.now();
  }

  elapsed(): number {
    return this.#clock.now() - this.start;
  }

  /** Settles with the answer. Never rejects: `throwIfFailed` and `run` throw the first error that is no refusal. */
  async issue(due: number): Promise<void> {
    this.lastIssued = due;
    try {
      await this.#sut.issue(this.#samples);
      this.#lastAnswered = this.elapsed();
      this.#latencies.push(this.#lastAnswered - due);
      if (this.#lastAnswered - due > this.#bound) this.#over++;
    } catch (error) {
      if (error instanceof ResidualError && refusals.includes(error.code)) {
        this.#refused++;
        this.#over++;
      } else this.#failure ??= { error };
    }
  }

  giveUpAbove(most: number): boolean {
    this.#isGivenUp = this.#over > most;
    return this.#isGivenUp;
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  run(): Run {
    this.throwIfFailed();
    return {
      latencies: this.#latencies,
      refused: this.#refused,
      samplesPerQuery: this.#samples,
      lastIssued: this.lastIssued,
      lastAnswered: this.#lastAnswered,
      isGivenUp: this.#isGivenUp,
    };
  }
}
