import { nextTurn } from "@residual/kit/turns";
import { type Batch, type BatchRequest, makeBatch } from "./make-batch.ts";

/** Whatever makes batches out of requests. */
export interface BatchMaker {
  /** Batches that are made at the same time. */
  readonly atATime: number;
  make(request: BatchRequest): Promise<Batch>;
  close(): Promise<void>;
}

/** Makes batches on the caller's thread, one after the other. Between two of them other work gets its turn. */
export function onThisThread(): BatchMaker {
  let last: Promise<unknown> = Promise.resolve();
  return {
    atATime: 1,
    make(request) {
      const batch = last.then(nextTurn).then(() => makeBatch(request));
      last = batch.catch(() => {});
      return batch;
    },
    close: async () => {},
  };
}
