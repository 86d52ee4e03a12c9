import { BackendUnavailableError, DeviceLostError, type ResidualError } from "@residual/core";
import type { FromThread, Job } from "./protocol.ts";
import { type PlatformWorker, startWorker } from "./start-worker.ts";

interface Reply {
  readonly resolve: (numbers: Float32Array<ArrayBuffer> | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** The owner's end of a thread: sends jobs, and settles each with its answer. */
export class Thread {
  readonly #worker: PlatformWorker;
  readonly #onLost: (error: ResidualError) => void;
  /** Jobs that are not answered yet, by number. */
  readonly #open = new Map<number, Reply>();
  #jobs = 0;
  #hasSpoken = false;
  #lost: ResidualError | undefined;

  /** Starts it. `onLost` is told where it ends by itself. Throws BackendUnavailableError where it does not start. */
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

  /** Throws RangeError, and Error, as the thread did, and the error that it is lost with. */
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

  /** As `request`, for jobs that cannot fail but by the loss of the thread, of which later ones tell. */
  post(program: number, job: Job): void {
    this.request(program, job).catch(() => {});
  }

  /** Rejects what is open, and all that comes. */
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

/** Browsers give no message where a worker's code is not found. */
function notStarted(message: string | undefined): ResidualError {
  const why = message ? ` (${message})` : "";
  return new BackendUnavailableError(
    `wasm: the worker that runs models does not start${why}; its code is wasm-worker.js of @residual/wasm: where a ` +
      "bundler has parted it from the rest, bundle @residual/wasm/worker as a file of its own and name it, " +
      "wasm({ worker: url }); where a page's Content-Security-Policy forbids it, allow it in worker-src; " +
      "or run models on the caller's thread, wasm({ worker: false })",
  );
}
