import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { abortError, DeviceLostError, throwIfAborted, type WorkOptions } from "@residual/core";
import { WorkerError } from "../errors.ts";
import type { Job, ShardResult } from "../job.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/**
 * Child processes that run shards of a job, one shard each at a time. Each loads the model once. Inference is off this
 * process's event loop, and a crash of a native runtime ends a child alone.
 */
export class ShardWorkers implements AsyncDisposable {
  readonly #job: Job;
  readonly #children: ChildProcess[] = [];
  readonly #free: ChildProcess[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #most: number;

  /** `workers` is the most processes. They start when shards need them. */
  constructor(job: Job, workers: number) {
    this.#job = job;
    this.#most = workers;
  }

  /**
   * Runs a shard, as soon as a worker is free. Throws DeviceLostError if the worker ends before the shard does: the
   * shard may be run again. Throws AbortError, and errors of `runShard` as WorkerError.
   */
  async run(shard: number, { signal, onProgress }: WorkOptions = {}): Promise<ShardResult> {
    throwIfAborted(signal);
    const child = await this.#take();
    try {
      throwIfAborted(signal);
      return await answerOf(child, shard, { signal, onProgress });
    } finally {
      if (signal?.aborted) leave(child);
      this.#giveBack(child);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((child) => once(child, "exit"));
    for (const child of running) leave(child);
    await Promise.all(ended);
  }

  async #take(): Promise<ChildProcess> {
    for (;;) {
      const child = this.#free.pop();
      if (child && isReady(child)) return child;
      if (!child && this.#children.filter(isReady).length < this.#most) return this.#start();
      if (!child) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #giveBack(child: ChildProcess): void {
    this.#free.push(child);
    this.#waiting.shift()?.();
  }

  #start(): ChildProcess {
    const isSource = import.meta.url.endsWith(".ts");
    const program = fileURLToPath(new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url));
    const child = fork(program, [this.#job.out], {
      execArgv: isSource ? ["--conditions=@residual/source"] : [],
      stdio: ["ignore", 2, 2, "ipc"], // stdout belongs to this process
    });
    this.#children.push(child);
    return child;
  }
}

const isReady = ({ connected }: ChildProcess): boolean => connected;

/** A worker ends when its channel closes, and removes its temporary file. */
function leave(child: ChildProcess): void {
  if (child.connected) child.disconnect();
}

function answerOf(child: ChildProcess, shard: number, { signal, onProgress }: WorkOptions): Promise<ShardResult> {
  let settle = () => {};
  const answer = new Promise<ShardResult>((resolve, reject) => {
    const receive = (message: FromWorker) => {
      if (message.kind === "progress") onProgress?.(message.progress);
      else if (message.kind === "done") resolve(message.result);
      else reject(new WorkerError(message));
    };
    const lose = (why: string) => reject(new DeviceLostError(`shard ${shard}: its worker process has ended (${why})`));
    const exit = (code: number | null, by: string | null) => lose(by ?? `exit code ${code}`);
    const fail = ({ message }: Error) => lose(message);
    const abort = () => reject(abortError(signal!));
    child.on("message", receive).on("exit", exit).on("error", fail);
    signal?.addEventListener("abort", abort);
    child.send({ shard } satisfies ToWorker);
    settle = () => {
      child.off("message", receive).off("exit", exit).off("error", fail);
      signal?.removeEventListener("abort", abort);
    };
  });
  return answer.finally(settle);
}
