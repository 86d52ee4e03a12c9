import type { Progress } from "@residual/core";
import type { NamedTensors } from "./execute.ts";
import type { WasmPaths } from "./options.ts";
import type { BareProgram } from "./program.ts";

// Messages between the main thread and the worker.

export interface WorkerSetup {
  readonly program: BareProgram;
  readonly wasmPaths: WasmPaths | undefined;
}

export type ToWorker =
  /** The numbers of the requested weight or variable. */
  | { readonly kind: "weight"; readonly data: Float32Array }
  | { readonly kind: "run"; readonly id: number; readonly inputs: NamedTensors }
  /** Replaces the variables by the updates of the last run. */
  | { readonly kind: "commit" }
  | { readonly kind: "read"; readonly id: number; readonly names: readonly string[] }
  /** Stops a run between two operations. */
  | { readonly kind: "abort"; readonly id: number };

export type FromWorker =
  /** Requests a weight or a variable; one at a time. */
  | { readonly kind: "want"; readonly name: string }
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "done"; readonly id: number; readonly outputs: NamedTensors }
  | { readonly kind: "failed"; readonly id: number; readonly code: string; readonly message: string };

/** The job number of the worker's start: opening its engine and loading the program. */
export const LOADING = 0;
