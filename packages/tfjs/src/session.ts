import {
  abortError,
  BackendUnavailableError,
  DeviceLostError,
  type LoadedGraph,
  OutOfMemoryError,
  type ResidualError,
  type Signal,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import type { UrlLike } from "@residual/kit/bytes";
import { threadError, urlOfThread } from "@residual/kit/threads";
import type { NamedTensors } from "./execute.ts";
import type { Program } from "./program.ts";
import { type FromWorker, LOADING, type ToWorker, type WorkerSetup } from "./protocol.ts";

/** The part of a worker thread that Residual uses. */
type Thread = import("node:worker_threads").Worker;

/** The numbers of a weight, in separate memory, which is transferred to the thread. */
type NumbersOf = (name: string) => Promise<Float32Array>;

interface Job {
  readonly resolve: (outputs: NamedTensors) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: WorkOptions["onProgress"];
}

/** A program on a wasm engine in a worker thread. The thread keeps the process alive only while it has jobs. */
export class Session implements LoadedGraph<"float32"> {
  readonly #thread: Thread;
  /** Held until all weights are loaded. */
  #numbersOf: NumbersOf | undefined;
  readonly #jobs = new Map<number, Job>();
  #last = LOADING;
  #lost: ResidualError | undefined;
  #hasSpoken = false;

  private constructor(thread: Thread, _program: Program, numbersOf: NumbersOf) {
    this.#thread = thread;
    this.#numbersOf = numbersOf;
    thread.on("message", (message: FromWorker) => this.#receive(message));
    thread.on("error", (cause) => this.#lose(cause));
    thread.on("exit", () => this.#lose());
    thread.unref();
  }

  /**
   * Starts a thread, and sends it the weights one by one, as it requests them.
   *
   * Throws BackendUnavailableError if the engine or the thread's code is missing, UnsupportedError outside of Node,
   * AbortError.
   */
  static async load(
    program: Program,
    numbersOf: NumbersOf,
    setup: Pick<WorkerSetup, "wasmPaths"> & { readonly worker: string | UrlLike | undefined } & WorkOptions,
  ): Promise<Session> {
    const { wasmPaths, worker, signal, onProgress } = setup;
    const { Worker } = await threads();
    const weights = program.weights.map(({ name, shape }) => ({ name, shape }));
    const variables = program.variables.map(({ name, shape, update }) => ({ name, shape, update }));
    const workerData: WorkerSetup = { program: { ...program, weights, variables }, wasmPaths };
    const { url: besideUrl } = import.meta as { readonly url?: string };
    const code = urlOfThread({ owner: "tfjs", file: "tfjs-worker", besideUrl, given: worker });
    const execArgv = code.pathname.endsWith(".ts") ? ["--conditions=@residual/source"] : [];
    const thread = new Worker(code, { workerData, execArgv, name: "residual-tfjs" });
    const session = new Session(thread, program, numbersOf);
    try {
      await session.#answer(LOADING, { signal, onProgress });
      session.#numbersOf = undefined;
      return session;
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  async run(inputs: NamedTensors, work: WorkOptions): Promise<NamedTensors> {
    const transfer = Object.values(inputs).map(({ data }) => data.buffer as ArrayBuffer);
    return this.#ask((id) => this.#send({ kind: "run", id, inputs }, transfer), work);
  }

  commit(): void {
    this.#send({ kind: "commit" });
  }

  async read(names: readonly string[]): Promise<NamedTensors> {
    return this.#ask((id) => this.#send({ kind: "read", id, names }), {});
  }

  /** Ends the thread, even during a run. */
  async dispose(): Promise<void> {
    await this.#thread.terminate();
  }

  #ask(send: (id: number) => void, work: WorkOptions): Promise<NamedTensors> {
    if (this.#lost) throw this.#lost;
    const id = ++this.#last;
    const answer = this.#answer(id, work);
    send(id);
    return answer;
  }

  #answer(id: number, { signal, onProgress }: WorkOptions): Promise<NamedTensors> {
    this.#thread.ref();
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (id === LOADING) reject(abortError(signal!));
        else this.#send({ kind: "abort", id }); // the thread replies once it has stopped
      };
      signal?.addEventListener("abort", abort, { once: true });
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener("abort", abort);
          then(value);
        };
      this.#jobs.set(id, { resolve: settle(resolve), reject: settle(reject), onProgress });
    });
  }

  #receive(message: FromWorker): void {
    this.#hasSpoken = true;
    if (message.kind === "want") void this.#give(message.name);
    else if (message.kind === "progress") this.#tell(message);
    else this.#settle(message);
  }

  /** An exception of the caller's function fails the job: otherwise it would be lost. */
  #tell({ id, progress }: Extract<FromWorker, { kind: "progress" }>): void {
    const job = this.#jobs.get(id);
    try {
      job?.onProgress?.(progress);
    } catch (error) {
      job?.reject(error as Error);
    }
  }

  #settle(message: Extract<FromWorker, { kind: "done" | "failed" }>): void {
    const job = this.#jobs.get(message.id);
    this.#jobs.delete(message.id);
    if (this.#jobs.size === 0) this.#thread.unref();
    if (message.kind === "done") job?.resolve(message.outputs);
    else job?.reject(errorOf(message));
  }

  async #give(name: string): Promise<void> {
    try {
      const data = await this.#numbersOf!(name);
      this.#send({ kind: "weight", data }, [data.buffer as ArrayBuffer]);
    } catch (error) {
      this.#jobs.get(LOADING)?.reject(error as Error); // such as for a changed file
    }
  }

  #send(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }

  /** The thread is gone, or about to go: pending jobs are rejected. */
  #lose(cause?: unknown): void {
    this.#lost ??= threadError("tfjs", this.#hasSpoken, cause);
    for (const { reject } of this.#jobs.values()) reject(this.#lost);
    this.#jobs.clear();
  }
}

async function threads(): Promise<typeof import("node:worker_threads")> {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const found = process?.getBuiltinModule?.("node:worker_threads");
  if (found) return found as typeof import("node:worker_threads");
  throw new UnsupportedError("tfjs: { worker: true } is for Node; in a browser, call tfjs() in a Worker of your page");
}

const errors: { readonly [code: string]: new (message: string) => ResidualError } = {
  BackendUnavailableError,
  DeviceLostError,
  OutOfMemoryError,
  UnsupportedError,
};

function errorOf({ code, message }: FromWorker & { kind: "failed" }): Error {
  if (code === "AbortError") return abortError({ aborted: true, reason: undefined } as Signal);
  const Typed = errors[code];
  return Typed ? new Typed(message) : new Error(message);
}
