import { BackendUnavailableError, DeviceLostError, type ResidualError } from "@residual/core";
import type { FromThread, Job } from "./protocol.ts";
import { type PlatformWorker, startWorker } from "./start-worker.ts";

interface Reply {
  readonly resolve: (numbers: Float32Array<ArrayBuffer> | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** The owner's side of a thread: sends jobs, and settles each with its reply. */
export class Thread {
  readonly #worker: PlatformWorker;
  readonly #onLost: (error: ResidualError) => void;
  /** Pending jobs, by number. */
  readonly #open = new Map<number, Reply>();
  #jobs = 0;
  #hasSpoken = false;
  #lost: ResidualError | undefined;

  /**
   * Starts the thread. `onLost` is called if it ends unexpectedly. Throws BackendUnavailableError if it does not start.
   */
  constructor(code: string | undefined, onLost: (error: ResidualError) => void) {
    this.#onLost = onLost;
    try {
      this.#worker = startWorker(code, {
        message: (message) => this.#receive(message),
        lost: (message) => this.#onLost(this.#hasSpoken ? lostError(message) : notStarted(message)),
      });
    } catch (cause) {
      throw notStarted(cause instanceof Error ? cause.message : String(cause));
    }
  }

  /** Rethrows the thread's RangeError or Error, or the error of its loss. */
  request(
    program: number,
    job: Job,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Float32Array<ArrayBuffer> | undefined> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#jobs++;
    const answer = new Promise<Float32Array<ArrayBuffer> | undefined>((resolve, reject) =>
      this.#open.set(id, { resolve, reject }),
    );
    this.#worker.setBusy(true);
    this.#worker.post({ ...job, program, id }, transfer);
    return answer;
  }

  /** Like `request`, for jobs that fail only if the thread is lost, which later jobs report. */
  post(program: number, job: Job): void {
    this.request(program, job).catch(() => {});
  }

  /** Rejects all pending and future jobs. */
  lose(error: ResidualError): void {
    this.#lost ??= error;
    for (const { reject } of this.#open.values()) reject(this.#lost);
    this.#open.clear();
  }

  end(): Promise<void> {
    return this.#worker.end();
  }

  #receive(message: FromThread): void {
    this.#hasSpoken = true;
    const reply = this.#open.get(message.id);
    this.#open.delete(message.id);
    if (this.#open.size === 0) this.#worker.setBusy(false);
    if ("failure" in message) reply?.reject(errorOf(message));
    else reply?.resolve(message.numbers);
  }
}

function errorOf({ failure, isRangeError }: Extract<FromThread, { readonly failure: string }>): Error {
  return isRangeError ? new RangeError(failure) : new Error(failure);
}

function lostError(message: string | undefined): ResidualError {
  const why = message ? ` (${message})` : "";
  return new DeviceLostError(`wasm: a worker thread that runs the model has ended${why}; compile the graph again`);
}

/** Browsers report no message if a worker's code is not found. */
function notStarted(message: string | undefined): ResidualError {
  const why = message ? ` (${message})` : "";
  return new BackendUnavailableError(
    `wasm: the worker that runs models does not start${why}; its code is wasm-worker.js of @residual/wasm: where a ` +
      "bundler has parted it from the rest, bundle @residual/wasm/worker as a file of its own and name it, " +
      "wasm({ worker: url }); where a page's Content-Security-Policy forbids it, allow it in worker-src; " +
      "or run models on the caller's thread, wasm({ worker: false })",
  );
}
