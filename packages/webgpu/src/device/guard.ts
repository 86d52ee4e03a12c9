/// <reference types="@webgpu/types" />
import { DeviceLostError, OutOfMemoryError, ResidualError, UnsupportedError } from "@residual/core";
import type { GpuDevice } from "@residual/kit/gpu";
import { type Nudge, nudged } from "./nudge.ts";

/** A device that tells whether it is lost. */
export interface Guarded {
  readonly device: GpuDevice;
  /** For a queue that does not answer by itself. */
  readonly nudge?: Nudge | undefined;
  /** Throws DeviceLostError once the device is gone. */
  check(): void;
}

/** Makes calls of the device, all in one turn of the event loop, and gives what they give. */
export type Calls = <T>(make: () => T) => T;

/** What a device threw, rejected with or told of a call. `guarded` makes one of core's errors of it. */
export class DeviceFault extends Error {
  readonly kind: "failed" | "refused" | "out of memory";

  constructor(kind: DeviceFault["kind"], message: string, cause: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/**
 * Does work with a device. `name` is the subject of errors. Throws what the work throws, and of the device:
 * DeviceLostError where it is lost, OutOfMemoryError, and UnsupportedError where it refuses a call.
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
    shared.check(); // a lost device takes calls, and does nothing
    return outcome.value;
  } catch (error) {
    throw error instanceof DeviceFault ? await typed(shared, name, error) : error;
  }
}

/** What the device answers. Throws DeviceFault where it rejects. */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw faultOf(cause);
  }
}

const FILTERS = ["internal", "out-of-memory", "validation"] as const satisfies readonly GPUErrorFilter[];

/**
 * Makes calls of the device in one turn, with error scopes open meanwhile and no longer: a device has one stack of
 * scopes, so that a scope which is open across an `await` hears of others' calls, and misses its own. Throws
 * DeviceFault where a call throws; `verdict` rejects with one where the device refuses a call.
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
      verdict.catch(() => {}); // heard by `judged`, unless a call threw
      verdicts.push(verdict);
    }
  }
  const verdict = judged(verdicts);
  verdict.catch(() => {}); // may be waited for later
  return { value, verdict };
}

/** A call that throws rejects. */
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
  const kind = cause instanceof RangeError ? "out of memory" : "failed"; // a buffer that could not be mapped
  const { name, message } = cause as Partial<Error>;
  return new DeviceFault(kind, [name, message].filter(Boolean).join(": ") || String(cause), cause);
}

/** How long a device has to say that it is lost, once a call of it has failed. */
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
  // Nothing else of ours aborts what is asked of a device.
  if ((cause as Partial<Error>).name === "AbortError") {
    return new DeviceLostError(`webgpu: the device did not answer for ${name} (${message}); compile again`, options);
  }
  return new UnsupportedError(`webgpu: ${name} failed on the device: ${message}`, options);
}
