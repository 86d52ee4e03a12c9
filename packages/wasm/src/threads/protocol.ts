import type { Call } from "../calls.ts";
import type { Move, WasmMemory, WasmModule } from "../engine.ts";

/** Jobs for a thread. A program is a memory, and modules that work on it. */
export type Job =
  /** Opens a program with a shared memory, or with a new memory of this size that the thread owns. */
  | { readonly kind: "open"; readonly memory: WasmMemory | { readonly bytes: number } }
  | { readonly kind: "add"; readonly modules: readonly (readonly [kernel: string, module: WasmModule])[] }
  /** The calls of the next runs. */
  | { readonly kind: "calls"; readonly calls: readonly Call[] }
  /** Joins a run of several threads, in shared memory, as the thread of this index. */
  | { readonly kind: "take part"; readonly threads: number; readonly index: number }
  | { readonly kind: "run" }
  /** Ends a run. */
  | { readonly kind: "cancel" }
  | { readonly kind: "reserve"; readonly bytes: number }
  | { readonly kind: "write"; readonly address: number; readonly numbers: Float32Array<ArrayBuffer> }
  | { readonly kind: "read"; readonly address: number; readonly length: number }
  | { readonly kind: "move"; readonly moves: readonly Move[] }
  | { readonly kind: "close" };

export type ToThread = Job & { readonly program: number; readonly id: number };

/** The reply to a job: the numbers read, or the error. */
export type FromThread =
  | { readonly id: number; readonly numbers?: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly failure: string; readonly isRangeError: boolean };

/** A thread's side of the channel. */
export interface Port {
  post(message: FromThread, transfer: readonly ArrayBuffer[]): void;
  onMessage(receive: (message: ToThread) => void): void;
}
