import { type Signal, throwIfAborted } from "@residual/core";
import { nextTurn } from "@residual/kit/turns";

const MILLISECONDS_PER_SLICE = 8;

/**
 * Time slices of a few milliseconds, with a turn of the event loop after each: signals, timers and other runs wait no
 * longer than the longest operation takes.
 */
export class TimeSlices {
  readonly #signal: Signal | undefined;
  readonly #check: () => void;
  #end = 0;

  /** `check` is called at the start of a slice, and throws if the run must not continue. */
  constructor(signal: Signal | undefined, check: () => void) {
    this.#signal = signal;
    this.#check = check;
  }

  /** Whether the slice is over, or the run must not continue. */
  isOver(): boolean {
    return performance.now() > this.#end || this.#signal?.aborted === true;
  }

  /** Throws AbortError once the signal is aborted, and errors of `check`. */
  begin(): void {
    throwIfAborted(this.#signal);
    this.#check();
    this.#end = performance.now() + MILLISECONDS_PER_SLICE;
  }

  /** Returns at once if the slice is not over. */
  async next(): Promise<void> {
    if (performance.now() > this.#end) await nextTurn();
    this.begin();
  }
}
