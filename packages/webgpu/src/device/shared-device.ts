/// <reference types="@webgpu/types" />
import { BackendUnavailableError, DeviceLostError, UnsupportedError } from "@residual/core";
import {
  type AdapterInfo,
  adapterName,
  type GpuAdapter,
  type GpuDevice,
  type GpuPipeline,
  type GpuSource,
  noAdapter,
  type PlatformGpu,
  platformGpu,
} from "@residual/kit/gpu";
import type { Kernel } from "../kernels/kernel.ts";
import { DeviceFault, type Guarded, scoped } from "./guard.ts";
import { type Nudge, nudgeFor } from "./nudge.ts";

/**
 * A device, with its compiled pipelines and the results of its self-tests. All backends with the same source of
 * adapters share it.
 */
export class SharedDevice implements Guarded {
  readonly device: GpuDevice;
  readonly adapter: AdapterInfo;
  /**
   * The library that made the device, and its version: npm's `webgpu`, or `navigator.gpu` and the browser's user agent.
   */
  readonly library: string;
  readonly version: string;
  /** Referenced here, since Dawn ends the process if this object is garbage-collected while the device is in use. */
  readonly keep: unknown;
  /** Resolves once `nudge` is known. */
  readonly ready: Promise<void>;
  nudge: Nudge | undefined;
  /** Results of self-tests, by strategy and kernels (self-test.ts). */
  readonly checks = new Tries<boolean>();
  readonly #pipelines = new Tries<GpuPipeline>();
  #lost: { readonly reason: string; readonly message: string } | undefined;

  constructor(device: GpuDevice, adapter: AdapterInfo, { library, version, gpu }: PlatformGpu<unknown>) {
    this.device = device;
    this.adapter = adapter;
    this.library = library;
    this.version = version;
    this.keep = gpu;
    this.ready = nudgeFor(device.queue).then((nudge) => {
      this.nudge = nudge;
    });
    void device.lost.then((info) => {
      this.#lost = info;
    });
  }

  /** A kernel's pipeline, compiled once. */
  pipeline(kernel: Kernel): Promise<GpuPipeline> {
    return this.#pipelines.get(kernel.name, () => compiled(this, kernel));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  check(): void {
    if (!this.#lost) return;
    const { reason, message } = this.#lost;
    throw new DeviceLostError(
      `webgpu: the device is lost (${reason}): ${message || "no reason is told"}; compile again`,
    );
  }
}

/**
 * Results by name, each computed once. A failed computation is forgotten, and tried again when the result is next
 * needed.
 */
class Tries<T> {
  readonly #made = new Map<string, Promise<T>>();

  get(name: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(name);
    if (known) return known;
    const making = make();
    this.#made.set(name, making);
    making.catch(() => this.#made.delete(name));
    return making;
  }
}

/**
 * Compiles a kernel. The bind group layout is explicit: an automatic layout leaves out bindings that the program does
 * not use.
 */
async function compiled({ device }: Guarded, kernel: Kernel): Promise<GpuPipeline> {
  const { name, operands, textures } = kernel;
  const visibility = GPUShaderStage.COMPUTE;
  const entries: GPUBindGroupLayoutEntry[] = [
    { binding: 0, visibility, buffer: { type: "uniform" } },
    ...operands.map((operand, i): GPUBindGroupLayoutEntry => {
      const isLast = i === operands.length - 1;
      const format = textures[operand];
      return format
        ? { binding: i + 1, visibility, storageTexture: { format, access: isLast ? "write-only" : "read-only" } }
        : { binding: i + 1, visibility, buffer: { type: isLast ? "storage" : "read-only-storage" } };
    }),
  ];
  const { value, verdict } = scoped(device, () => {
    const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
    const module = device.createShaderModule({ label: name, code: kernel.program });
    const compute = { module, entryPoint: "main" };
    return { module, making: device.createComputePipelineAsync({ label: name, layout, compute }) };
  });
  try {
    const pipeline = await value.making;
    await verdict;
    return pipeline;
  } catch (cause) {
    await verdict.catch(() => {}); // the pipeline's own error says more
    const messages = await value.module.getCompilationInfo().then(
      (info) => info.messages,
      () => [],
    );
    const lines = messages.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    const why = [...lines, String(cause)].join("; ");
    throw new DeviceFault("refused", `this adapter does not take the kernel ${name}: ${why}`, cause);
  }
}

/** A device in use. `release` may be called again, without effect. */
export interface Lease {
  readonly shared: SharedDevice;
  /** Keeps the device open after the last lease, since the caller may hold its buffers. */
  readonly keepOpen: () => void;
  readonly release: () => void;
}

/** The device of a source, and its number of leases. */
interface Entry {
  readonly source: GpuSource;
  readonly float16: boolean;
  readonly opening: Promise<SharedDevice>;
  leases: number;
  isKept: boolean;
}

const entries = new Set<Entry>();

/**
 * How long a device without a lease stays open. A program that compiles one model after another then finds its kernels
 * compiled.
 */
const IDLE_MILLISECONDS = 1000;

/** The open device without a lease, of which there is at most one, and the timer that closes it. */
let idle: { readonly entry: Entry; readonly timer: ReturnType<typeof setTimeout> } | undefined;

/**
 * Leases the device of a source of adapters; opens the device if it is not open. It is destroyed one second after the
 * last lease ends.
 *
 * Throws BackendUnavailableError if there is no adapter or the adapter gives no device; UnsupportedError if `float16`
 * is true and the adapter lacks it.
 */
export async function leaseDevice(from: PlatformGpu<GpuSource>, float16: boolean): Promise<Lease> {
  const known = [...entries].find((each) => each.source === from.gpu && each.float16 === float16);
  const entry = known ?? added(from, float16);
  entry.leases++;
  if (idle?.entry === entry) stopIdling();
  let isReleased = false;
  const release = () => {
    if (isReleased) return;
    isReleased = true;
    entry.leases--;
    if (entry.leases === 0 && !entry.isKept) startIdling(entry);
  };
  try {
    const shared = await entry.opening;
    if (shared.isLost && known) return await leaseDevice(from, float16); // its loss has not removed the entry yet
    const keepOpen = () => {
      entry.isKept = true;
    };
    return { shared, keepOpen, release };
  } catch (error) {
    release();
    throw error;
  }
}

function added(from: PlatformGpu<GpuSource>, float16: boolean): Entry {
  const opening = openDevice(from, float16);
  const entry: Entry = { source: from.gpu, float16, opening, leases: 0, isKept: false };
  entries.add(entry);
  const forget = () => {
    entries.delete(entry);
    if (idle?.entry === entry) stopIdling();
  };
  opening.then(({ device }) => device.lost.then(forget), forget);
  return entry;
}

/** Closes the device after a while. At most one device idles: an earlier one is closed at once. */
function startIdling(entry: Entry): void {
  if (!entries.has(entry)) return; // the device was lost, or never opened
  const before = stopIdling();
  if (before) close(before);
  const timer = setTimeout(() => {
    idle = undefined;
    close(entry);
  }, IDLE_MILLISECONDS);
  (timer as { unref?: () => void }).unref?.(); // in Node: the timer must not keep the process alive
  idle = { entry, timer };
}

function stopIdling(): Entry | undefined {
  const entry = idle?.entry;
  clearTimeout(idle?.timer);
  idle = undefined;
  return entry;
}

function close(entry: Entry): void {
  entries.delete(entry);
  void entry.opening.then(({ device }) => device.destroy());
}

/**
 * Without this flag Dawn clears each texture and buffer whose first write covers only a part. A plan reads only what it
 * has written, so clearing is not needed. For ResNet-18 it takes 80 ms on an adapter on the CPU.
 */
const UNCLEARED = "disable-dawn-features=lazy_clear_resource_on_first_use";

let platform: Promise<PlatformGpu<GpuSource>> | undefined;

/**
 * Bundlers drop import attributes that are in a variable. So the attributes are literal, and the two calls are
 * separate.
 */
const importDawn = (name: string): Promise<unknown> =>
  name.endsWith(".json")
    ? import(/* @vite-ignore */ /* webpackIgnore: true */ name, { with: { type: "json" } })
    : import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/** The platform's GPU, shared by all backends. Throws BackendUnavailableError if the platform has none. */
export function openPlatform(): Promise<PlatformGpu<GpuSource>> {
  platform ??= platformGpu<GpuSource>("webgpu", importDawn, [UNCLEARED]);
  platform.catch(forgetPlatform);
  return platform;
}

/**
 * Makes the next call open the platform again. The package may be installed by then, and a new instance of Dawn looks
 * for drivers again, which an old one does not.
 */
function forgetPlatform(): void {
  platform = undefined;
}

/** Limits that are requested at the adapter's maximum. */
const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageTexturesPerShaderStage",
  "maxTextureDimension2D",
] as const;

const FLOAT16 = "shader-f16" satisfies GPUFeatureName;

async function openDevice(from: PlatformGpu<GpuSource>, float16: boolean): Promise<SharedDevice> {
  const adapter = await requestAdapter(from.gpu);
  if (!adapter) {
    forgetPlatform();
    throw noAdapter("webgpu", ...alternatives());
  }
  if (float16) checkFloat16(adapter, adapter.info);
  const wanted: readonly GPUFeatureName[] = float16 ? ["subgroups", FLOAT16] : ["subgroups"];
  const requiredFeatures = wanted.filter((feature) => adapter.features.has(feature));
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  try {
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    return new SharedDevice(device, adapter.info, from);
  } catch (cause) {
    const why = `${adapterName(adapter.info)} gives no device (${String(cause)})`;
    throw new BackendUnavailableError(`webgpu: ${why}; try again, or take another backend`, { cause });
  }
}

async function requestAdapter(gpu: GpuSource): Promise<GpuAdapter | null> {
  try {
    return await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (cause) {
    const why = `looking for a GPU adapter failed (${String(cause)})`;
    throw new BackendUnavailableError(`webgpu: ${why}; try again, or take another backend`, { cause });
  }
}

/** Throws UnsupportedError if an adapter or a device lacks float16 in shaders. */
export function checkFloat16({ features }: Pick<GpuAdapter, "features">, info: AdapterInfo): void {
  if (features.has(FLOAT16)) return;
  throw new UnsupportedError(
    `webgpu: ${adapterName(info)} has no ${FLOAT16}; leave float16 out, and it computes in float32`,
  );
}

/** The way out on Linux x64, where npm has a driver for the CPU. */
function alternatives(): readonly string[] {
  const { process } = globalThis as { process?: { platform?: string; arch?: string } };
  if (process?.platform !== "linux" || process.arch !== "x64") return [];
  return ["npm install @residual/webgpu-software, for webgpu({ gpu: await softwareGpu() }) on the CPU"];
}
