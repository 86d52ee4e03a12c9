import type { BackendDescription } from "@residual/core";
import type { Dialect } from "./dialect.ts";
import type { EngineName } from "./dialects.ts";
import type { Registered } from "./runtime.ts";

/** An engine that is ready. */
export interface Engine extends Registered {
  readonly name: EngineName;
  readonly dialect: Dialect;
  readonly description: Pick<BackendDescription, "library" | "version" | "device" | "driver" | "algorithms">;
  /** Whether it is an adapter on the CPU, which is slower than an engine for CPUs. */
  readonly isSoftware?: boolean;
  /** Rejects with DeviceLostError once the device is gone; never settles on an engine that has none. */
  readonly lost: Promise<never>;
  /** Throws DeviceLostError once the engine is gone. */
  check(): void;
  isGone(): boolean;
  readonly heap?: Heap;
}

/** Of an engine whose tensors lie in memory that can be got at. */
interface Heap {
  /** A tensor's numbers in their place, until anything else is asked of the engine. */
  numbersOf(tensor: object): Float32Array;
  /** Gives back the memory of a tensor that the engine has packed for itself, and does not read again. */
  release(tensor: object): void;
}

/** What an opener answers; the rest is the same for all. */
export interface Opened {
  readonly registered: Registered;
  readonly device: string;
  readonly driver?: string | undefined;
  readonly isSoftware?: boolean;
  readonly lost?: Promise<string>;
  readonly algorithms?: BackendDescription["algorithms"];
  readonly heap?: Heap;
}
