import type { Call } from "../calls.ts";
import type { Move, WasmMemory, WasmModule } from "../engine.ts";

/** What a thread is asked to do for a program: a memory, and modules that work on it. */
export type Job =
  /** With a memory that is shared, or to make one of so many bytes that it owns. */
  | { readonly kind: "open"; readonly memory: WasmMemory | { readonly bytes: number } }
  | { readonly kind: "add"; readonly modules: readonly (readonly [kernel: string, module: WasmModule])[] }
  /** What the next runs call. */
  | { readonly kind: "calls"; readonly calls: readonly Call[] }
  /** To take part in a run of several threads, in shared memory. */
  | { readonly kind: "take part"; readonly threads: number }
  | { readonly kind: "run" }
  /** To end a run. */
  | { readonly kind: "cancel" }
  | { readonly kind: "reserve"; readonly bytes: number }
  | { readonly kind: "write"; readonly address: number; readonly numbers: Float32Array<ArrayBuffer> }
  | { readonly kind: "read"; readonly address: number; readonly length: number }
  | { readonly kind: "move"; readonly moves: readonly Move[] }
  | { readonly kind: "close" };

export type ToThread = Job & { readonly program: number; readonly id: number };

/** The answer to a job: numbers that were read, or what was thrown. */
export type FromThread =
  | { readonly id: number; readonly numbers?: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly failure: string; readonly isRangeError: boolean };

/** A thread's end of the line. */
export interface Port {
  post(message: FromThread, transfer: readonly ArrayBuffer[]): void;
  onMessage(receive: (message: ToThread) => void): void;
}
