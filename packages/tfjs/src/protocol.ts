import type { Progress } from "@residual/core";
import type { NamedTensors } from "./execute.ts";
import type { BareProgram } from "./program.ts";

// What the main thread and the worker say to each other.

export interface WorkerSetup {
  readonly program: BareProgram;
  readonly wasmPaths: string | undefined;
}

export type ToWorker =
  /** The numbers of the weight or variable that was asked for. */
  | { readonly kind: "weight"; readonly data: Float32Array }
  | { readonly kind: "run"; readonly id: number; readonly inputs: NamedTensors }
  /** Makes the updates of the last run the variables. */
  | { readonly kind: "commit" }
  | { readonly kind: "read"; readonly id: number; readonly names: readonly string[] }
  /** Ends a run between two of its operations. */
  | { readonly kind: "abort"; readonly id: number };

export type FromWorker =
  /** Asks for a weight or a variable; one at a time. */
  | { readonly kind: "want"; readonly name: string }
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "done"; readonly id: number; readonly outputs: NamedTensors }
  | { readonly kind: "failed"; readonly id: number; readonly code: string; readonly message: string };

/** The number of what a worker begins with, before any run: to open its engine and to load the program. */
export const LOADING = 0;
