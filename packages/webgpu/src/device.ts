import { fnv1a32, UnsupportedError } from "@residual/core";
import { type AdapterInfo, adapterName, type GpuDevice, isBrowser, isSoftwareAdapter } from "@residual/kit/gpu";
import { browserCache } from "./browser-cache.ts";
import { type Identity, identityKey, readFindings, type WebgpuCache, writeFindings } from "./cache.ts";
import { type Choice, coldChoice, fallbackChoice, float16Choice, gpuChoice, softwareChoice } from "./choice.ts";
import type { Memory } from "./kernels/kernel.ts";
import type { SharedDevice } from "./shared-device.ts";
import { kernelTexts } from "./tuning.ts";

/** A device as one backend uses it: its own choice of kernels, and what it knows of them. */
export interface Gpu {
  readonly shared: SharedDevice;
  readonly device: GpuDevice;
  /** Kernels for this device. Those that failed their test are not among them. */
  readonly choice: Choice;
  /** Whether fast kernels answered right, by their names (verify.ts). */
  readonly checked: Map<string, boolean>;
  /** The quickest way for a layer, by its key (tuning.ts). */
  readonly tuned: Map<string, string>;
  /** Puts what was checked and tuned into the cache, where there is one. */
  remember(): Promise<void>;
  /**
   * Gives up the fast kernels, since one is wrong. Throws UnsupportedError where float16 was asked for, which has no
   * others.
   */
  distrust(kernel: string): void;
}

export interface GpuOptions {
  readonly kernels?: Family | undefined;
  readonly tuning?: Tuning | undefined;
  readonly cache?: WebgpuCache | undefined;
  readonly float16?: Float16 | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What is float16: what tensors lie in, or the products of convolutions as well. Sums are float32's. */
export type Float16 = "storage" | "products";

/** Which kernels convolutions have; as the adapter calls for where not given. */
export type Family = "software" | "gpu" | "plain";

/** For answers soon, or for many: software adapters compile a kernel for seconds when it first runs. */
export type Tuning = "cold" | "warm";

function choiceFor(device: GpuDevice, info: AdapterInfo, family?: Family): Choice {
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
function memoryFor({ limits }: GpuDevice, info: AdapterInfo): Memory {
  const isLavapipe = /llvmpipe|lavapipe/i.test(`${info.device} ${info.description}`);
  return isLavapipe && limits.maxStorageTexturesPerShaderStage >= 6 ? "textures" : "buffers";
}

/** What one backend found out, by the identities of its devices: a device may be closed and opened again. */
export type Known = Map<string, Promise<Omit<Gpu, "shared" | "device">>>;

/** A device as a backend of these options uses it. */
export async function gpuOn(shared: SharedDevice, options: GpuOptions, known: Known): Promise<Gpu> {
  const { device, adapter } = shared;
  const all = allOf(choiceFor(device, adapter, options.kernels), options.float16);
  const identity = identityOf(shared, all);
  const key = identityKey(identity);
  const own = known.get(key) ?? ownPart(adapter, identity, all, options);
  known.set(key, own);
  const part = await own;
  return {
    shared,
    device,
    get choice() {
      return part.choice;
    },
    checked: part.checked,
    tuned: part.tuned,
    remember: () => part.remember(),
    distrust: (kernel) => part.distrust(kernel),
  };
}

/** A software adapter compiles anew for each page that is opened, a second for each fast kernel. */
function tuningFor(adapter: AdapterInfo): Tuning {
  return isBrowser() && isSoftwareAdapter(adapter) ? "cold" : "warm";
}

function allOf(wide: Choice, float16: Float16 | undefined): Choice {
  return float16 ? float16Choice(wide, float16 === "products" ? "float16" : "float32") : wide;
}

async function ownPart(
  adapter: AdapterInfo,
  identity: Identity,
  all: Choice,
  { tuning = tuningFor(adapter), cache = browserCache(), float16, onWarning }: GpuOptions,
): Promise<Omit<Gpu, "shared" | "device">> {
  const found = cache && (await readFindings(cache, identity));
  const [checked, tuned] = [new Map(found?.checked), new Map(found?.tuned)];
  let choice = tuning === "cold" ? coldChoice(all) : all;
  return {
    get choice() {
      return tuned.size > 0 ? { ...choice, tuned } : choice;
    },
    checked,
    tuned,
    async remember() {
      if (cache) await writeFindings(cache, identity, { checked, tuned });
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
  };
}

function identityOf({ device, adapter, library, version: libraryVersion }: SharedDevice, choice: Choice): Identity {
  const { vendor, architecture, device: model, description } = adapter;
  const kernels = fnv1a32(kernelTexts(choice).join()).toString(16);
  const subgroups = device.features.has("subgroups");
  return { vendor, architecture, device: model, description, library, libraryVersion, subgroups, kernels };
}
