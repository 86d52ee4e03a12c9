import { type AdapterInfo, isSoftwareAdapter } from "@residual/kit/gpu";
import { onePerFour } from "../kernels/conv2d.ts";
import * as plainKernels from "../kernels/index.ts";
import type { Memory, Products } from "../kernels/kernel.ts";
import { onePixel } from "../kernels/one-pixel.ts";
import { direct, type Product } from "../kernels/product.ts";
import { inFours } from "../kernels/quad-conv2d.ts";
import { inSharedMemory, splitReduction } from "../kernels/shared-conv2d.ts";
import type { Lanes } from "../kernels/step-weights.ts";
import { strips } from "../kernels/strip-conv2d.ts";
import { tiled } from "../kernels/tiled-conv2d.ts";
import { f2, f4, type Winograd, winograd } from "../kernels/winograd.ts";
import type { Cost } from "./cost.ts";
import type { Strategy } from "./strategy.ts";

/** What a class of devices is good at. */
export interface DeviceProfile {
  readonly name: string;
  readonly memory: Memory;
  readonly cost: Cost;
  readonly strategies: readonly Strategy[];
  /** Those of them that compile soonest. */
  readonly cold: readonly Strategy[];
  /** Winograd's algorithms among the strategies. */
  readonly algorithms: readonly ("winograd-f2" | "winograd-f4")[];
  /** The name of the quickest strategy for a layer, by the layer's key. */
  readonly tuned?: ReadonlyMap<string, string>;
  /** The profile to use where one of its kernels is wrong; the plain one where not given. */
  readonly instead?: DeviceProfile;
}

/** What is float16: what lies in memory, or convolutions' products too. Sums are float32's. */
export type Float16 = "storage" | "products";

/** The kernels of convolutions: for adapters on the CPU, for GPUs, or for any. */
export type KernelSet = "software" | "gpu" | "plain";

interface Parts {
  readonly memory: "buffers" | "textures";
  readonly cost: Cost;
  readonly cold: readonly Strategy[];
  readonly others?: readonly Strategy[];
  /** Winograd's algorithms, by each of these products. */
  readonly transforms?: readonly Winograd[];
  readonly products?: readonly Product[];
}

/** In float16 there is no Winograd's algorithm: its bounds do not allow for transformed tiles that are rounded. */
function profileOf(name: string, float16: Float16 | undefined, parts: Parts): DeviceProfile {
  const { memory, cost, cold, others = [], products = [] } = parts;
  const transforms = float16 ? [] : (parts.transforms ?? []);
  const transformed = transforms.flatMap((each) => products.map((product) => winograd(each, product)));
  return {
    name,
    memory: float16 ? `float16 ${memory}` : memory,
    cost,
    strategies: [...cold, ...others, ...transformed],
    cold,
    algorithms: transforms.map((each) => each.name),
  };
}

function productsFor(float16: Float16 | undefined): Products {
  return float16 === "products" ? "float16" : "float32";
}

/** For whatever the others do not fit. */
const last = [onePixel, inFours, onePerFour];

/**
 * Arithmetic, since no GPU was at hand (docs/decisions/2026-11-24-webgpu.md): 32 cores of 128 lanes, at 1.5 GHz, that
 * load 64 bytes a clock.
 */
const gpuCost: Cost = {
  lanes: 64,
  cores: 32,
  load: 10,
  store: 10,
  broadcast: 0,
  fma: 0.35,
  keep: 0,
  step: 1,
  byte: 0,
};

export function gpuProfile(float16?: Float16): DeviceProfile {
  const products = productsFor(float16);
  const shared = inSharedMemory(products);
  const splits = [2, 3, 4, 6, 8].map((count) => splitReduction(count, products));
  const cold = [direct(shared), ...splits, ...last];
  return profileOf("GPU", float16, {
    memory: "buffers",
    cost: gpuCost,
    cold,
    transforms: [f2, f4],
    products: [shared],
  });
}

function nameOf(adapter: string, { withoutSubgroups }: Lanes): string {
  return withoutSubgroups ? `${adapter} without subgroups` : adapter;
}

/** Lavapipe of 8 lanes. F(2, 3) saves 2 to 5 % of a run of ResNet-18, for 5 % of its load and 7 MiB: left out. */
export function lavapipeProfile(
  memory: "buffers" | "textures",
  float16?: Float16,
  of: Lanes = { lanes: 8 },
): DeviceProfile {
  const inBuffers = { load: 40, store: 40, broadcast: 0.4, fma: 0.25, keep: 0.3, step: 10, byte: 0.4 };
  const products = productsFor(float16);
  const tiles = [
    tiled({ ...of, channels: 32, pixels: 7, products }),
    tiled({ ...of, channels: 4, pixels: 14, products }),
  ];
  const strip = (channels: number, down: 1 | 2) => strips({ ...of, channels, rows: 7, down, products });
  return profileOf(nameOf("lavapipe", of), float16, {
    memory,
    cost: { lanes: of.lanes, cores: 1, ...inBuffers, ...(memory === "textures" && { load: 10, store: 12 }) },
    cold: [...tiles.map(direct), ...last],
    others: [strip(4, 1), strip(4, 2), strip(8, 1), strip(8, 2)],
    transforms: [f4],
    products: tiles,
  });
}

/** SwiftShader of 4 lanes. */
export function swiftShaderProfile(
  memory: "buffers" | "textures",
  float16?: Float16,
  of: Lanes = { lanes: 4 },
): DeviceProfile {
  const products = productsFor(float16);
  const tile = (channels: number, pixels: number) => tiled({ ...of, channels, pixels, products });
  const first = tile(16, 7);
  const tiles = [
    first,
    tile(32, 10),
    tile(32, 13), // 7 × 7 pixels in 52
    tile(32, 4), // and their 16 tiles of F(2, 3)
  ];
  return profileOf(nameOf("SwiftShader", of), float16, {
    memory,
    cost: { lanes: of.lanes, cores: 1, load: 160, store: 160, broadcast: 0, fma: 0.5, keep: 0, step: 0, byte: 0 },
    cold: [direct(first), ...last],
    others: tiles.slice(1).map(direct),
    transforms: [f2, f4],
    products: tiles,
  });
}

/** Where a fast kernel is wrong, or none is wanted. */
export function plainProfile(float16?: Float16): DeviceProfile {
  const cost = { lanes: 8, cores: 1, load: 40, store: 40, broadcast: 0, fma: 0.25, keep: 0, step: 10, byte: 0 };
  return profileOf("plain", float16, { memory: "buffers", cost, cold: [onePerFour] });
}

/** What a profile depends on. */
interface Capabilities {
  readonly features: ReadonlySet<string>;
  readonly limits: { readonly maxStorageTexturesPerShaderStage: number };
}

/** The profile of an adapter. */
export function profileFor(
  device: Capabilities,
  info: AdapterInfo,
  { kernels, float16 }: { readonly kernels?: KernelSet | undefined; readonly float16?: Float16 | undefined },
): DeviceProfile {
  if (kernels === "plain") return plainProfile(float16);
  if (kernels === "gpu" || (kernels === undefined && !isSoftwareAdapter(info))) return gpuProfile(float16);
  const { subgroupMinSize, subgroupMaxSize } = info;
  const size = subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined;
  // a workgroup has to be a whole subgroup
  const withoutSubgroups = !device.features.has("subgroups") || size === undefined;
  const of = { lanes: size ?? 8, withoutSubgroups };
  const isLavapipe = /llvmpipe|lavapipe/i.test(`${info.device} ${info.description}`);
  const hasTextures = isLavapipe && device.limits.maxStorageTexturesPerShaderStage >= BOUND;
  const isLikeLavapipe = withoutSubgroups ? hasTextures : of.lanes >= 8;
  const inBuffers = (isLikeLavapipe ? lavapipeProfile : swiftShaderProfile)("buffers", float16, of);
  // lavapipe of Mesa 25.0 with vectors of 512 bits reads textures wrong
  return hasTextures ? { ...lavapipeProfile("textures", float16, of), instead: inBuffers } : inBuffers;
}

/** Textures that batch norm reads and writes, more than any other kernel. */
const BOUND = 6;

/** The strategies that compile soonest. */
export function coldProfile(profile: DeviceProfile): DeviceProfile {
  const { instead, ...rest } = profile;
  return { ...rest, strategies: profile.cold, algorithms: [], ...(instead && { instead: coldProfile(instead) }) };
}

/** The programs that a profile may come to: a change of any makes what was found out about a device invalid. */
export function kernelTexts({ memory, strategies, instead }: DeviceProfile): readonly string[] {
  const convolutions = strategies.flatMap(({ kernels, packing }) => [...kernels, packing]);
  const own = new Set([...Object.values(plainKernels), ...convolutions].map((kernel) => kernel(memory).program));
  return [...own, ...(instead ? kernelTexts(instead) : [])];
}
