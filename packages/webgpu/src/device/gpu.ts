import { fnv1a32, UnsupportedError } from "@residual/core";
import { type AdapterInfo, adapterName, type GpuDevice, isBrowser, isSoftwareAdapter } from "@residual/kit/gpu";
import {
  coldProfile,
  type DeviceProfile,
  type Float16,
  type KernelSet,
  kernelTexts,
  plainProfile,
  profileFor,
} from "../decide/profiles.ts";
import { browserCache } from "./browser-cache.ts";
import { type Identity, identityKey, readFindings, type WebgpuCache, writeFindings } from "./cache.ts";
import type { SharedDevice } from "./shared-device.ts";

/** A device as one backend uses it: with the backend's own profile and findings. */
export interface Gpu {
  readonly shared: SharedDevice;
  readonly device: GpuDevice;
  /** The current profile. `distrust` replaces it. */
  readonly profile: DeviceProfile;
  readonly float16: Float16 | undefined;
  /** Whether fast kernels passed their tests, by their names (self-test.ts). */
  readonly checked: Map<string, boolean>;
  /** The name of the fastest strategy for a layer, by the layer's key. */
  readonly tuned: Map<string, string>;
  /** Writes `checked` and `tuned` into the cache, if there is one. */
  remember(): Promise<void>;
  /**
   * Replaces the profile, since a kernel is wrong. Throws UnsupportedError with float16, which has no other profile.
   */
  distrust(kernel: string): void;
  /** Counts a run. Returns the number of the run's spot check, if one is due (spot-check.ts). */
  nextCheck(): number | undefined;
}

export interface GpuOptions {
  readonly kernels?: KernelSet | undefined;
  readonly tuning?: Tuning | undefined;
  readonly cache?: WebgpuCache | undefined;
  readonly float16?: Float16 | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly spotCheckEvery?: number | undefined;
}

/** Runs from one spot check to the next. A check takes about 4 ms (docs/webgpu.md): 4 µs per run on average. */
const SPOT_CHECK_EVERY = 1000;

/**
 * "cold" for a fast first answer, "warm" for fast runs. A software adapter takes seconds to compile a kernel when it
 * first runs.
 */
export type Tuning = "cold" | "warm";

/** The findings of one backend, by the identities of its devices. A device may be closed and opened again. */
export type Known = Map<string, Promise<Omit<Gpu, "shared" | "device">>>;

/** A device as a backend with these options uses it. */
export async function gpuOn(shared: SharedDevice, options: GpuOptions, known: Known): Promise<Gpu> {
  const { device, adapter } = shared;
  await shared.ready;
  const all = profileFor(device, adapter, options);
  const identity = identityOf(shared, all);
  const key = identityKey(identity);
  const own = known.get(key) ?? ownPart(adapter, identity, all, options);
  known.set(key, own);
  const part = await own;
  return {
    shared,
    device,
    get profile() {
      return part.profile;
    },
    float16: part.float16,
    checked: part.checked,
    tuned: part.tuned,
    remember: () => part.remember(),
    distrust: (kernel) => part.distrust(kernel),
    nextCheck: () => part.nextCheck(),
  };
}

/**
 * The default tuning. In a browser, a software adapter compiles kernels anew for each page: about a second per fast
 * kernel.
 */
function tuningFor(adapter: AdapterInfo): Tuning {
  return isBrowser() && isSoftwareAdapter(adapter) ? "cold" : "warm";
}

async function ownPart(
  adapter: AdapterInfo,
  identity: Identity,
  all: DeviceProfile,
  options: GpuOptions,
): Promise<Omit<Gpu, "shared" | "device">> {
  const { tuning = tuningFor(adapter), cache = browserCache(), float16, onWarning } = options;
  const { spotCheckEvery = SPOT_CHECK_EVERY } = options;
  const found = cache && (await readFindings(cache, identity));
  const [checked, tuned] = [new Map(found?.checked), new Map(found?.tuned)];
  let profile = tuning === "cold" ? coldProfile(all) : all;
  let runs = 0;
  return {
    get profile() {
      return tuned.size > 0 ? { ...profile, tuned } : profile;
    },
    float16,
    checked,
    tuned,
    nextCheck: () => (++runs % spotCheckEvery === 0 ? runs / spotCheckEvery : undefined),
    async remember() {
      if (cache) await writeFindings(cache, identity, { checked, tuned });
    },
    distrust(kernel) {
      if (float16) {
        throw new UnsupportedError(
          `webgpu: ${adapterName(adapter)} computes ${kernel} wrong; leave float16 out, and it computes in float32`,
        );
      }
      profile = profile.instead ?? plainProfile();
      onWarning?.(
        `webgpu: ${adapterName(adapter)} computes ${kernel} wrong: other kernels are used on it, ` +
          "which are slower; a newer driver may help",
      );
    },
  };
}

function identityOf(
  { device, adapter, library, version: libraryVersion }: SharedDevice,
  profile: DeviceProfile,
): Identity {
  const { vendor, architecture, device: model, description } = adapter;
  const kernels = fnv1a32(kernelTexts(profile).join()).toString(16);
  const subgroups = device.features.has("subgroups");
  return { vendor, architecture, device: model, description, library, libraryVersion, subgroups, kernels };
}
