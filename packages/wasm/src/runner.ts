import type { Signal } from "@residual/core";
import type { Call } from "./calls.ts";
import type { Move } from "./engine.ts";
import type { Kernel } from "./kernels/kernel.ts";

/**
 * A memory, and the place where work on it executes: the caller's thread, threads that share the memory, or a thread
 * that owns it. Calls are queued, except `close`, which comes last. Each throws DeviceLostError after a thread has
 * ended unexpectedly.
 */
export interface Runner {
  /** The most threads of a run. */
  readonly threads: number;
  /** Compiles kernels. Throws BackendUnavailableError if the platform forbids it, or a thread does not start. */
  add(kernels: Iterable<Kernel>): Promise<void>;
  /** Grows the memory to at least this size. Throws OutOfMemoryError. */
  reserve(bytes: number): Promise<void>;
  /** Writes numbers at an address. */
  write(address: number, length: number, fill: (into: Float32Array) => void | Promise<void>): Promise<void>;
  read(address: number, length: number): Promise<Float32Array<ArrayBuffer>>;
  /** Copies numbers before the next run. All are read before any is written. */
  move(moves: readonly Move[]): void;
  /** Does the calls in order. Rejects with AbortError once none of them is running. */
  run(calls: readonly Call[], signal?: Signal): Promise<void>;
  close(): Promise<void>;
}
