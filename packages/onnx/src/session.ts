import { abortError, type BackendDescription, type Graph, type Signal, type WorkOptions } from "@residual/core";

/** A float32 tensor that onnxruntime takes or has answered. */
export interface RawTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export type RawTensors = { readonly [name: string]: RawTensor };

/** Inputs of a run, in whatever memory the caller has them. */
export type GivenTensors = {
  readonly [name: string]: { readonly shape: readonly number[]; readonly data: Float32Array };
};

interface RunOptions {
  /** Images of this run; 1 where the graph's batch is fixed. */
  readonly batch: number;
  readonly signal?: Signal | undefined;
}

/** A graph that onnxruntime has loaded, on this thread or on another. */
export interface Session {
  /** One run. Inputs are copied before the promise is given. Rejects with AbortError as soon as the signal is aborted. */
  run(inputs: GivenTensors, options: RunOptions): Promise<RawTensors>;
  /** Waits for runs under way, then frees the session. May be called again. */
  close(): Promise<void>;
}

/** One of the packages of onnxruntime, on one of its devices. */
export interface Runtime {
  /** Throws BackendUnavailableError where the package or the device is missing. */
  describe(): Promise<Omit<BackendDescription, "dtypes">>;
  /**
   * Lowers a graph and loads it. Throws UnsupportedError for a graph that onnxruntime refuses, BackendUnavailableError as
   * describe does, AbortError.
   */
  load(graph: Graph, work: WorkOptions): Promise<Session>;
}

/** Inputs in memory that nobody else writes to. */
export function copiesOf(inputs: GivenTensors): RawTensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: new Float32Array(data) }]),
  );
}

/** Rejects with AbortError as soon as the signal is aborted, whatever becomes of the work. */
export function untilAborted<T>(work: Promise<T>, signal: Signal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError(signal));
    const settled = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort, { once: true });
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
  });
}
