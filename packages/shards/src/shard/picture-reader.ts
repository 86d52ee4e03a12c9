import { on } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { DeviceLostError } from "@residual/core";
import type { Item } from "../job.ts";
import type { Batch, BatchOptions } from "./picture-batches.ts";

/** Batches in memory: one that the model runs, and those that wait or are filled. */
export const BATCHES_AHEAD = 3;

export type ToThread =
  | { readonly kind: "start"; readonly items: readonly Item[] }
  | { readonly kind: "back"; readonly data: Batch["data"] };

export type FromThread = { readonly kind: "batch"; readonly batch: Batch } | { readonly kind: "end" };

/**
 * A thread that reads and decodes pictures while this one runs the model, which holds it up. A message costs as much
 * as a small picture, so there is one for each batch.
 */
export class PictureReader implements AsyncDisposable {
  readonly #options: BatchOptions;
  #thread: Worker | undefined;

  constructor({ batch, preprocessing, maxPixels, folder, endpoint }: BatchOptions) {
    this.#options = { batch, preprocessing, maxPixels, folder, endpoint };
  }

  /**
   * Batches of the pictures, in order, of one list at a time. A batch's memory is used again once the next is asked
   * for. Throws what the thread does not catch, DeviceLostError if the thread ends.
   */
  async *batches(items: readonly Item[]): AsyncGenerator<Batch> {
    this.#thread ??= start(this.#options);
    const thread = this.#thread;
    const send = (message: ToThread, moved: readonly ArrayBuffer[] = []) => thread.postMessage(message, moved);
    const messages = on(thread, "message", { close: ["exit"] }) as AsyncIterable<[FromThread]>;
    let isAtEnd = false;
    try {
      send({ kind: "start", items });
      for await (const [message] of messages) {
        isAtEnd = message.kind === "end";
        if (message.kind === "end") return;
        yield message.batch;
        const { data } = message.batch;
        send({ kind: "back", data }, [data.buffer]);
      }
      throw new DeviceLostError("the thread that decodes pictures has ended");
    } finally {
      if (!isAtEnd) await this[Symbol.asyncDispose](); // it may still decode this list
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

function start(workerData: BatchOptions): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(`./picture-thread.${isSource ? "ts" : "js"}`, import.meta.url));
  const thread = new Worker(program, { execArgv: isSource ? ["--conditions=@residual/source"] : [], workerData });
  thread.unref();
  return thread;
}
