import type { Clock } from "@residual/pipeline/serving";
import type { BatchingSystem } from "../measure.ts";

/** The cost of a batch of n in milliseconds, perItem·n + perBatch, and the most images of a batch. */
export interface Machine {
  readonly perItem: number;
  readonly perBatch?: number;
  readonly most: number;
}

/** One machine that takes all waiting queries into the next batch. */
export function simulatedSystem(clock: Clock, { perItem, perBatch = 0, most }: Machine): BatchingSystem {
  const batches: { images: number; ms: number }[] = [];
  const waiting: (() => void)[] = [];
  let isBusy = false;
  const next = () => {
    const batch = waiting.splice(0, most);
    isBusy = batch.length > 0;
    if (!isBusy) return;
    const ms = perItem * batch.length + perBatch;
    clock.after(ms, () => {
      batches.push({ images: batch.length, ms });
      for (const answer of batch) answer();
      next();
    });
  };
  const sample = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (!isBusy) queueMicrotask(() => isBusy || next());
    });
  return { batches, capacity: most, issue: (samples) => Promise.all(Array.from({ length: samples }, sample)) };
}
