import { abortError, type Signal, throwIfAborted } from "@residual/core";
import type { Clock } from "@residual/pipeline/serving";

/** Resolves at a time of the clock or after it, not before: timers may fire early. Rejects with AbortError. */
export async function until(clock: Clock, time: number, signal?: Signal): Promise<void> {
  throwIfAborted(signal);
  for (let left = time - clock.now(); left > 0; left = time - clock.now()) await pause(clock, left, signal);
}

function pause(clock: Clock, ms: number, signal?: Signal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(abortError(signal!));
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
