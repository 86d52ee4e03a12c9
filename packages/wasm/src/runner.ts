import type { Signal } from "@residual/core";
import type { Call } from "./calls.ts";
import type { Move } from "./engine.ts";
import type { Kernel } from "./kernels/kernel.ts";

/**
 * A memory, and where work on it is done: on the caller's thread, on threads that share the memory, or on a thread that
 * owns it. Calls wait for one another, but for `close`, which comes last. Each throws DeviceLostError once a thread has
 * ended by itself.
 */
export interface Runner {
  /** Compiles kernels. Throws BackendUnavailableError where the platform forbids it, or a thread does not start. */
  add(kernels: Iterable<Kernel>): Promise<void>;
  /** Makes memory at least so large. Throws OutOfMemoryError. */
  reserve(bytes: number): Promise<void>;
  /** Has numbers at an address filled in. */
  write(address: number, length: number, fill: (into: Float32Array) => void | Promise<void>): Promise<void>;
  read(address: number, length: number): Promise<Float32Array<ArrayBuffer>>;
  /** Copies numbers before the next run. All are read before any is written. */
  move(moves: readonly Move[]): void;
  /** Does the calls one after the other. Throws AbortError once none of them runs any more. */
  run(calls: readonly Call[], signal?: Signal): Promise<void>;
  close(): Promise<void>;
}
