import type { BackendDescription, Graph, RunOptions, WorkOptions } from "@residual/core";

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

/** A graph that onnxruntime has loaded, on this thread or on another. */
export interface Session {
  /** One run. Inputs are copied before the promise is given. Aborting makes it do no more than it has begun. */
  run(inputs: GivenTensors, options: RunOptions): Promise<RawTensors>;
  /** Replaces variables by what the last run computed for them. */
  commit(): void;
  /**
   * Copies of what variables are after the runs called so far. Each of the names is that of a variable with an update.
   */
  read(names: readonly string[]): Promise<RawTensors>;
  /** Waits for runs under way, then frees the session. May be called again. */
  close(): Promise<void>;
}

/** One of the packages of onnxruntime, on one of its devices. */
export interface Runtime {
  /** Throws BackendUnavailableError where the package or the device is missing. */
  describe(): Promise<Omit<BackendDescription, "dtypes">>;
  /** As core's `Backend.warmUp`. */
  warmUp?(): AsyncDisposable;
  /**
   * Lowers a graph and loads it. Throws UnsupportedError for a graph that onnxruntime refuses, BackendUnavailableError
   * as describe does, AbortError.
   */
  load(graph: Graph, work: WorkOptions): Promise<Session>;
}

/** Inputs in memory that nobody else writes to. */
export function copiesOf(inputs: GivenTensors): RawTensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: new Float32Array(data) }]),
  );
}
