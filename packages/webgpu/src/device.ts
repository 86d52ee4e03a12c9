/// <reference types="@webgpu/types" preserve="true" />
import { DeviceLostError, fnv1a32, OutOfMemoryError, UnsupportedError } from "@residual/core";
import { adapterName, isSoftwareAdapter, noAdapter, platformGpu } from "@residual/kit/gpu";
import { type Findings, type Identity, readFindings, type WebgpuCache, writeFindings } from "./cache.ts";
import { type Choice, coldChoice, fallbackChoice, float16Choice, gpuChoice, softwareChoice } from "./choice.ts";
import type { Kernel, Memory } from "./kernels/kernel.ts";
import { kernelTexts } from "./tuning.ts";

/** A device, with what has been compiled for it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapterInfo;
  /** `webgpu` of npm and its version, or the browser's. */
  readonly library: string;
  readonly version: string;
  /** Kernels for this device. Those that failed their test are not among them. */
  readonly choice: Choice;
  /** Whether fast kernels answered right, by their names (verify.ts). */
  readonly checked: Map<string, Promise<boolean>>;
  /** The quickest way for a layer, by its key (tuning.ts). */
  readonly tuned: Map<string, string>;
  /** Puts what was checked and tuned into the cache, where there is one. */
  remember(): Promise<void>;
  /**
   * Gives up the fast kernels, since one is wrong. Throws UnsupportedError where float16 was asked for, which has no
   * others.
   */
  distrust(kernel: string): void;
  pipeline(kernel: Kernel): Promise<GPUComputePipeline>;
  /** Throws once the device is gone. */
  check(): void;
  /** Dawn ends the process if this is collected while the device is used. */
  readonly keep: unknown;
}

/**
 * Dawn clears textures and buffers that are not written as a whole at first. All that a plan reads it has written, and
 * on an adapter on the CPU the zeros of ResNet-18 take 80 ms.
 */
const UNCLEARED = "disable-dawn-features=lazy_clear_resource_on_first_use";

/** Where adapters come from. A GPU fits. */
export interface GpuSource {
  requestAdapter(
    options?: GPURequestAdapterOptions,
  ): Promise<Pick<GPUAdapter, "features" | "info" | "limits" | "requestDevice"> | null>;
}

interface Opening {
  readonly gpu?: GpuSource | undefined;
  readonly device?: GPUDevice | undefined;
  readonly kernels?: Family | undefined;
  readonly tuning?: Tuning | undefined;
  readonly cache?: WebgpuCache | undefined;
  readonly float16?: Float16 | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What is float16: what tensors lie in, or the products of convolutions as well. Sums are float32's. */
export type Float16 = "storage" | "products";

/**
 * Opens a device, the fastest that there is. Throws BackendUnavailableError where there is none, with what to install.
 */
export async function openGpu({ gpu: given, device: own, ...options }: Opening = {}): Promise<Gpu> {
  if (own) {
    if (options.float16) checkFloat16(own, own.adapterInfo);
    const runtime = { library: "a device of the caller's", version: "unknown", keep: own };
    return gpuOf(own, own.adapterInfo, runtime, options);
  }
  const { gpu, library, version } = given
    ? { gpu: given, library: "a GPU of the caller's", version: "unknown" }
    : await platformGpu<GpuSource>("webgpu", (name, options) => import(/* @vite-ignore */ name, options), [UNCLEARED]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw noAdapter("webgpu", ...alternatives());
  if (options.float16) checkFloat16(adapter, adapter.info);
  const wanted: readonly GPUFeatureName[] = options.float16 ? ["subgroups", FLOAT16] : ["subgroups"];
  const requiredFeatures = wanted.filter((feature) => adapter.features.has(feature));
  const limits = [
    "maxStorageBufferBindingSize",
    "maxBufferSize",
    "maxStorageTexturesPerShaderStage",
    "maxTextureDimension2D",
  ] as const;
  const requiredLimits = Object.fromEntries(limits.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  return gpuOf(device, adapter.info, { library, version, keep: gpu }, options);
}

const FLOAT16 = "shader-f16" satisfies GPUFeatureName;

function checkFloat16({ features }: Pick<GPUAdapter, "features">, info: GPUAdapterInfo): void {
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

/** Which kernels convolutions have; as the adapter calls for where not given. */
export type Family = "software" | "gpu" | "plain";

/** For answers soon, or for many: software adapters compile a kernel for seconds when it first runs. */
export type Tuning = "cold" | "warm";

function choiceFor(device: GPUDevice, info: GPUAdapterInfo, family?: Family): Choice {
  if (family === "plain") return {};
  if (family === "gpu" || (family === undefined && !isSoftwareAdapter(info))) return gpuChoice;
  // tiles need a workgroup that is one subgroup, so one size of these
  const { subgroupMinSize, subgroupMaxSize } = info;
  const lanes = subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined;
  return device.features.has("subgroups") && lanes !== undefined
    ? softwareChoice(lanes, memoryFor(device, info))
    : fallbackChoice;
}

/**
 * Textures on lavapipe, where a load from one takes a quarter of the time, if it binds as many as batch norm reads and
 * writes.
 */
function memoryFor({ limits }: GPUDevice, info: GPUAdapterInfo): Memory {
  const isLavapipe = /llvmpipe|lavapipe/i.test(`${info.device} ${info.description}`);
  return isLavapipe && limits.maxStorageTexturesPerShaderStage >= 6 ? "textures" : "buffers";
}

async function gpuOf(
  device: GPUDevice,
  adapter: GPUAdapterInfo,
  { library, version, keep }: Pick<Gpu, "library" | "version" | "keep">,
  { kernels, tuning = "warm", cache, float16, onWarning }: Opening,
): Promise<Gpu> {
  const wide = choiceFor(device, adapter, kernels);
  const all = float16 ? float16Choice(wide, float16 === "products" ? "float16" : "float32") : wide;
  let choice = tuning === "cold" ? coldChoice(all) : all;
  const identity = identityOf(device, adapter, { library, version }, all);
  const found: Findings = cache ? await readFindings(cache, identity) : { checked: new Map(), tuned: new Map() };
  const checked = new Map([...found.checked].map(([name, right]) => [name, Promise.resolve(right)]));
  const tuned = new Map(found.tuned);
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  let lost: GPUDeviceLostInfo | undefined;
  void device.lost.then((info) => {
    lost = info;
  });
  return {
    device,
    adapter,
    get choice() {
      return tuned.size > 0 ? { ...choice, tuned } : choice;
    },
    checked,
    tuned,
    async remember() {
      if (!cache) return;
      const settled = [...checked].map(async ([name, right]) => [name, await right] as const);
      await writeFindings(cache, identity, { checked: new Map(await Promise.all(settled)), tuned });
    },
    distrust(kernel) {
      if (float16) {
        throw new UnsupportedError(
          `webgpu: ${adapterName(adapter)} works out ${kernel} wrong; leave float16 out, and it computes in float32`,
        );
      }
      choice = {};
      onWarning?.(
        `webgpu: ${adapterName(adapter)} works out ${kernel} wrong: only the plain kernels are used on it, ` +
          "which are slower; a newer driver may help",
      );
    },
    library,
    version,
    keep,
    pipeline(kernel) {
      const known = pipelines.get(kernel.name) ?? compiled(device, kernel);
      pipelines.set(kernel.name, known);
      return known;
    },
    check() {
      if (lost)
        throw new DeviceLostError(`webgpu: the device is lost (${lost.reason}): ${lost.message}; compile again`);
    },
  };
}

function identityOf(
  device: GPUDevice,
  { vendor, architecture, device: model, description }: GPUAdapterInfo,
  { library, version: libraryVersion }: Pick<Gpu, "library" | "version">,
  choice: Choice,
): Identity {
  const kernels = fnv1a32(kernelTexts(choice).join()).toString(16);
  const subgroups = device.features.has("subgroups");
  return { vendor, architecture, device: model, description, library, libraryVersion, subgroups, kernels };
}

/** Layouts are written out: one made from the program would leave out what a path of it does not use. */
async function compiled(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
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
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
  const module = device.createShaderModule({ label: name, code: kernel.program });
  try {
    const compute = { module, entryPoint: "main" };
    return await device.createComputePipelineAsync({ label: name, layout, compute });
  } catch (cause) {
    const { messages } = await module.getCompilationInfo();
    const lines = messages.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    const why = [...lines, String(cause)].join("; ");
    throw new UnsupportedError(`webgpu: this adapter does not take the kernel ${name}: ${why}`, { cause });
  }
}

/** Does what makes buffers and pipelines, with what the device says of it as typed errors. */
export async function guarded<T>({ device }: Gpu, name: string, work: () => Promise<T>): Promise<T> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  const outcome = await work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const [invalid, memory] = [await device.popErrorScope(), await device.popErrorScope()];
  if (memory) throw new OutOfMemoryError(`webgpu: ${name} does not fit into the device's memory: ${memory.message}`);
  if (invalid) throw new UnsupportedError(`webgpu: ${name} was refused by the device: ${invalid.message}`);
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
