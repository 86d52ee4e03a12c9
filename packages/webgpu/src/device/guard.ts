/// <reference types="@webgpu/types" />
import { DeviceLostError, OutOfMemoryError, ResidualError, UnsupportedError } from "@residual/core";
import type { GpuDevice } from "@residual/kit/gpu";
import { type Nudge, nudged } from "./nudge.ts";

/** A device that reports whether it is lost. */
export interface Guarded {
  readonly device: GpuDevice;
  /** Makes the queue check whether its work is done. Undefined for a queue that checks by itself. */
  readonly nudge?: Nudge | undefined;
  /** Throws DeviceLostError once the device is gone. */
  check(): void;
}

/** Runs `make`, which makes calls of the device in one turn of the event loop. Returns the result of `make`. */
export type Calls = <T>(make: () => T) => T;

/**
 * An error that a device threw, rejected with, or reported for a call. `guarded` turns it into one of core's errors.
 */
export class DeviceFault extends Error {
  readonly kind: "failed" | "refused" | "out of memory";

  constructor(kind: DeviceFault["kind"], message: string, cause: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/**
 * Runs work with a device. `name` is the subject of error messages. Throws errors of the work; DeviceLostError if the
 * device is lost; OutOfMemoryError; UnsupportedError if the device refuses a call.
 */
export async function guarded<T>(shared: Guarded, name: string, work: (calls: Calls) => Promise<T>): Promise<T> {
  const verdicts: Promise<void>[] = [];
  const calls: Calls = (make) => {
    const { value, verdict } = scoped(shared.device, make);
    verdicts.push(verdict);
    return value;
  };
  const [outcome] = await Promise.allSettled([nudged(work(calls), shared.nudge)]);
  try {
    await Promise.all(verdicts);
    if (outcome.status === "rejected") throw outcome.reason;
    shared.check(); // a lost device accepts calls and does nothing
    return outcome.value;
  } catch (error) {
    throw error instanceof DeviceFault ? await typed(shared, name, error) : error;
  }
}

/** The device's answer. Throws DeviceFault if the device rejects. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw faultOf(cause);
  }
}

const FILTERS = ["internal", "out-of-memory", "validation"] as const satisfies readonly GPUErrorFilter[];

/**
 * Makes calls of the device in one turn of the event loop, within error scopes. A device has one stack of scopes: a
 * scope that is open across an `await` would catch errors of other calls and miss its own. So all scopes are closed in
 * the same turn. Throws DeviceFault if a call throws; `verdict` rejects with DeviceFault if the device refuses a call.
 */
export function scoped<T>(device: GpuDevice, make: () => T): { readonly value: T; readonly verdict: Promise<void> } {
  const verdicts: Promise<GPUError | null>[] = [];
  let open = 0;
  let value: T;
  try {
    for (const filter of FILTERS) {
      device.pushErrorScope(filter);
      open++;
    }
    value = make();
  } catch (cause) {
    throw faultOf(cause);
  } finally {
    for (; open > 0; open--) {
      const verdict = popped(device);
      verdict.catch(() => {}); // `judged` handles it, unless a call threw
      verdicts.push(verdict);
    }
  }
  const verdict = judged(verdicts);
  verdict.catch(() => {}); // the caller may await it later
  return { value, verdict };
}

/** Async, so that an exception becomes a rejection. */
async function popped(device: GpuDevice): Promise<GPUError | null> {
  return device.popErrorScope();
}

async function judged(verdicts: readonly Promise<GPUError | null>[]): Promise<void> {
  const [invalid, memory, internal] = await answered(Promise.all(verdicts));
  if (memory) throw new DeviceFault("out of memory", memory.message, memory);
  const refusal = invalid ?? internal;
  if (refusal) throw new DeviceFault("refused", refusal.message, refusal);
}

function faultOf(cause: unknown): Error {
  if (cause instanceof ResidualError || cause instanceof DeviceFault) return cause;
  const kind = cause instanceof RangeError ? "out of memory" : "failed"; // of createBuffer, if memory cannot be mapped
  const { name, message } = cause as Partial<Error>;
  return new DeviceFault(kind, [name, message].filter(Boolean).join(": ") || String(cause), cause);
}

/** How long to wait after a failed call for the device to report its loss, in milliseconds. */
const LOSS_MILLISECONDS = 50;

async function typed(shared: Guarded, name: string, { kind, message, cause }: DeviceFault): Promise<Error> {
  const options = { cause };
  await Promise.race([shared.device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_MILLISECONDS))]);
  try {
    shared.check();
  } catch (error) {
    return error as DeviceLostError;
  }
  if (kind === "out of memory") {
    return new OutOfMemoryError(`webgpu: ${name} does not fit into the device's memory: ${message}`, options);
  }
  if (kind === "refused") {
    return new UnsupportedError(`webgpu: ${name} was refused by the device: ${message}`, options);
  }
  // Only the loss of a device aborts a pending call.
  if ((cause as Partial<Error>).name === "AbortError") {
    return new DeviceLostError(`webgpu: the device did not answer for ${name} (${message}); compile again`, options);
  }
  return new UnsupportedError(`webgpu: ${name} failed on the device: ${message}`, options);
}
