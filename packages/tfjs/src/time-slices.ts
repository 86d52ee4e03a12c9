import { type Signal, throwIfAborted } from "@residual/core";

const MILLISECONDS_PER_SLICE = 8;

/**
 * Slices of a few milliseconds, after each of which the event loop goes round: signals, timers and other runs wait no
 * longer than the longest operation takes.
 */
export class TimeSlices {
  readonly #signal: Signal | undefined;
  readonly #check: () => void;
  #end = 0;

  /** `check` is called when a slice begins, and throws where there is no point in going on. */
  constructor(signal: Signal | undefined, check: () => void) {
    this.#signal = signal;
    this.#check = check;
  }

  /** Whether it is time to stop, or there is no point in going on. */
  isOver(): boolean {
    return performance.now() > this.#end || this.#signal?.aborted === true;
  }

  /** Throws AbortError once the signal is aborted, and what `check` throws. */
  begin(): void {
    throwIfAborted(this.#signal);
    this.#check();
    this.#end = performance.now() + MILLISECONDS_PER_SLICE;
  }

  /** Goes on at once where the slice is not over. */
  async next(): Promise<void> {
    if (performance.now() > this.#end) await pause();
    this.begin();
  }
}

/** Once round the event loop. Browsers stretch timers to 4 ms, and have messages instead. */
function pause(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => void };
  return new Promise((resolve) => {
    if (setImmediate) return setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    const come = () => {
      port1.close();
      resolve();
    };
    Object.assign(port1, { onmessage: come });
    port2.postMessage(undefined);
  });
}
