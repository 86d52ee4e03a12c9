import type { BackendDescription, Graph, RunOptions, WorkOptions } from "@residual/core";

/** A float32 tensor that is an input or output of onnxruntime. */
export interface RawTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export type RawTensors = { readonly [name: string]: RawTensor };

/** Inputs of a run, in the caller's memory. */
export type GivenTensors = {
  readonly [name: string]: { readonly shape: readonly number[]; readonly data: Float32Array };
};

/** A graph loaded by onnxruntime, on this thread or another. */
export interface Session {
  /** One run. Inputs are copied before the promise is returned. An abort stops it at the next opportunity. */
  run(inputs: GivenTensors, options: RunOptions): Promise<RawTensors>;
  /** Replaces variables by the updates of the last run. */
  commit(): void;
  /** Copies of the variables after the runs called so far. Each name must be that of a variable with an update. */
  read(names: readonly string[]): Promise<RawTensors>;
  /** Waits for unfinished runs, then frees the session. May be called again. */
  close(): Promise<void>;
}

/** A package of onnxruntime on one of its devices. */
export interface Runtime {
  /** Throws BackendUnavailableError if the package or the device is missing. */
  describe(): Promise<Omit<BackendDescription, "dtypes">>;
  /** As `Backend.warmUp` of core. */
  warmUp?(): AsyncDisposable;
  /**
   * Lowers a graph and loads it. Throws UnsupportedError for a graph that onnxruntime refuses, BackendUnavailableError
   * as `describe` does, AbortError.
   */
  load(graph: Graph, work: WorkOptions): Promise<Session>;
}

/** Inputs in memory that only the callee writes to. */
export function copiesOf(inputs: GivenTensors): RawTensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: new Float32Array(data) }]),
  );
}
