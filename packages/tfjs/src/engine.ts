import type { BackendDescription } from "@residual/core";
import type { Dialect } from "./dialect.ts";
import type { EngineName } from "./dialects.ts";
import type { Registered } from "./runtime.ts";

/** An engine that is ready. */
export interface Engine extends Registered {
  readonly name: EngineName;
  readonly dialect: Dialect;
  readonly description: Pick<BackendDescription, "library" | "version" | "device" | "driver" | "algorithms">;
  /** Whether it is a software adapter, which is slower than an engine for CPUs. */
  readonly isSoftware?: boolean;
  /** Rejects with DeviceLostError once the device is lost; never settles on an engine without a device. */
  readonly lost: Promise<never>;
  /** Throws DeviceLostError once the engine is lost. */
  check(): void;
  isGone(): boolean;
  readonly heap?: Heap;
}

/** An engine whose tensors lie in accessible memory. */
interface Heap {
  /** A view of a tensor's numbers, valid until the next operation of the engine. */
  numbersOf(tensor: object): Float32Array;
  /** Frees the memory of a tensor that the engine has packed, and will not read again. */
  release(tensor: object): void;
}

/** The result of an opener; the other properties are the same for all engines. */
export interface Opened {
  readonly registered: Registered;
  readonly device: string;
  readonly driver?: string | undefined;
  readonly isSoftware?: boolean;
  readonly lost?: Promise<string>;
  readonly algorithms?: BackendDescription["algorithms"];
  readonly heap?: Heap;
}
