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

/** A device, with what was compiled and found out on it. All backends of one source of adapters share it. */
export class SharedDevice implements Guarded {
  readonly device: GpuDevice;
  readonly adapter: AdapterInfo;
  /** `webgpu` of npm and its version, or the browser's. */
  readonly library: string;
  readonly version: string;
  /** Dawn ends the process if this is collected while the device is used. */
  readonly keep: unknown;
  /** Resolves once `nudge` is known. */
  readonly ready: Promise<void>;
  nudge: Nudge | undefined;
  /** Self-tests of kernels, by strategy (self-test.ts). */
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

  /** A kernel's program, compiled once. */
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

/** Results by name, each made once. One that could not be made is forgotten, and made anew when it is next needed. */
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

/** Layouts are written out: one made from the program would leave out what a path of it does not use. */
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

/** A device in use. `release` may be called again. */
export interface Lease {
  readonly shared: SharedDevice;
  /** The device stays open when nobody leases it: its buffers are somebody's. */
  readonly keepOpen: () => void;
  readonly release: () => void;
}

/** A source's device, and how many use it. */
interface Entry {
  readonly source: GpuSource;
  readonly float16: boolean;
  readonly opening: Promise<SharedDevice>;
  leases: number;
  isKept: boolean;
}

const entries = new Set<Entry>();

/**
 * How long a device that nobody uses stays open. The next model of a program that compiles one after the other finds
 * its kernels compiled.
 */
const IDLE_MILLISECONDS = 1000;

/** The one device that nobody uses and that is open still, and when it closes. */
let idle: { readonly entry: Entry; readonly timer: ReturnType<typeof setTimeout> } | undefined;

/**
 * The device of a source of adapters, opened where it is not open yet. It is destroyed soon after the last lease ends.
 *
 * Throws BackendUnavailableError where there is no adapter, or it gives no device; UnsupportedError where `float16` is
 * asked for and the adapter has none.
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
    if (shared.isLost && known) return await leaseDevice(from, float16); // before it was forgotten
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

/** At most one device idles: one that idles already is closed. */
function startIdling(entry: Entry): void {
  if (!entries.has(entry)) return; // lost, or never opened
  const before = stopIdling();
  if (before) close(before);
  const timer = setTimeout(() => {
    idle = undefined;
    close(entry);
  }, IDLE_MILLISECONDS);
  (timer as { unref?: () => void }).unref?.(); // Node's: a process need not wait for it
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
 * Dawn clears textures and buffers that are not written as a whole at first. All that a plan reads it has written, and
 * on an adapter on the CPU the zeros of ResNet-18 take 80 ms.
 */
const UNCLEARED = "disable-dawn-features=lazy_clear_resource_on_first_use";

let platform: Promise<PlatformGpu<GpuSource>> | undefined;

/** The braces are spelled out, and the two calls apart, for bundlers: a variable's attributes they leave out. */
const importDawn = (name: string): Promise<unknown> =>
  name.endsWith(".json")
    ? import(/* @vite-ignore */ /* webpackIgnore: true */ name, { with: { type: "json" } })
    : import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/** The platform's GPU, one for all backends. Throws BackendUnavailableError where the platform has none. */
export function openPlatform(): Promise<PlatformGpu<GpuSource>> {
  platform ??= platformGpu<GpuSource>("webgpu", importDawn, [UNCLEARED]);
  platform.catch(forgetPlatform);
  return platform;
}

/** The next call looks anew: for the package, or since Dawn itself does not look for drivers twice. */
function forgetPlatform(): void {
  platform = undefined;
}

/** Limits that are asked for, as far as the adapter goes. */
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

/** Throws UnsupportedError for an adapter, or a device, without float16 in shaders. */
export function checkFloat16({ features }: Pick<GpuAdapter, "features">, info: AdapterInfo): void {
  if (features.has(FLOAT16)) return;
  throw new UnsupportedError(
    `webgpu: ${adapterName(info)} has no ${FLOAT16}; leave float16 out, and it computes in float32`,
  );
}

/** Linux x64 can do without a driver of the system's, since there is one on npm. */
function alternatives(): readonly string[] {
  const { process } = globalThis as { process?: { platform?: string; arch?: string } };
  if (process?.platform !== "linux" || process.arch !== "x64") return [];
  return ["npm install @residual/webgpu-software, for webgpu({ gpu: await softwareGpu() }) on the CPU"];
}
