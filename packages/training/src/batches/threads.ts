import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { DeviceLostError, OutOfMemoryError, type ResidualError } from "@residual/core";
import { type Program, programBeside } from "@residual/kit/files";
import { errorOf, type SentError } from "@residual/kit/sent-error";
import type { BatchMaker } from "./batch-maker.ts";
import type { Batch, BatchRequest } from "./make-batch.ts";
import { type PackedExamples, pack } from "./packed-examples.ts";

/** A request as a message. */
export type PackedRequest = Omit<BatchRequest, "examples"> & { readonly packed: PackedExamples };

export type BatchReply = { readonly batch: Batch; readonly error?: never } | { readonly error: SentError };

/** Undefined in a bundle in CommonJS. */
const { url } = import.meta as { readonly url?: string };

/** A core is left for the model. */
const defaultThreads = (): number => Math.min(Math.max(availableParallelism() - 1, 1), 4);

interface Task {
  readonly request: BatchRequest;
  resolve(batch: Batch): void;
  reject(error: Error): void;
}

/** Threads that make batches, one each at a time. They start with the first batches, and keep no process alive. */
export class BatchThreads implements BatchMaker {
  readonly atATime: number;
  readonly #program: Program;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  readonly #waiting: Task[] = [];

  constructor(threads: number = defaultThreads(), program: Program = programBeside(url, "batch-thread", "training")) {
    this.atATime = threads;
    this.#program = program;
  }

  /** Throws as `makeBatch`, and DeviceLostError or OutOfMemoryError if the thread ends. */
  make(request: BatchRequest): Promise<Batch> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#next();
    });
  }

  async close(): Promise<void> {
    const workers = [...this.#idle.splice(0), ...this.#busy.keys()];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#busy.size === this.atATime) return;
    const worker = this.#idle.pop() ?? this.#start();
    const task = this.#waiting.shift()!;
    this.#busy.set(worker, task);
    worker.ref();
    const { examples, ...rest } = task.request;
    worker.postMessage({ ...rest, packed: pack(examples) } satisfies PackedRequest);
  }

  #start(): Worker {
    const { path, execArgv } = this.#program;
    const worker = new Worker(path, { execArgv: [...execArgv], name: "residual-batches" });
    let reason: Error | undefined;
    worker.on("message", (reply: BatchReply) => this.#take(worker, reply));
    worker.on("error", (error: Error) => {
      reason = error; // the exit follows
    });
    worker.on("exit", (code) => this.#lose(worker, reason ?? new Error(`exit code ${code}`)));
    return worker;
  }

  #take(worker: Worker, reply: BatchReply): void {
    const task = this.#busy.get(worker);
    this.#busy.delete(worker);
    this.#idle.push(worker);
    worker.unref();
    if (reply.error) task?.reject(errorOf(reply.error));
    else task?.resolve(reply.batch);
    this.#next();
  }

  #lose(worker: Worker, reason: Error): void {
    this.#busy.get(worker)?.reject(lossOf(reason));
    this.#busy.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#next();
  }
}

function lossOf(cause: Error): ResidualError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY")
    return new OutOfMemoryError(`no memory to make a batch (${message}); take a smaller batch, or smaller pictures`);
  return new DeviceLostError(`a thread that makes batches has ended (${message})`, { cause });
}
