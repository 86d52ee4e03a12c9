import { type AdapterInfo, isSoftwareAdapter } from "@residual/kit/gpu";
import { plainStrategy } from "../kernels/conv2d.ts";
import * as plainKernels from "../kernels/index.ts";
import type { Memory, Products } from "../kernels/kernel.ts";
import { onePixel } from "../kernels/one-pixel.ts";
import { direct, type Product } from "../kernels/product.ts";
import { quadStrategy } from "../kernels/quad-conv2d.ts";
import { inSharedMemory, splitReduction } from "../kernels/shared-conv2d.ts";
import type { Lanes } from "../kernels/step-weights.ts";
import { strips } from "../kernels/strip-conv2d.ts";
import { type Tile, tiled } from "../kernels/tiled-conv2d.ts";
import { f2, f4, type Winograd, winograd } from "../kernels/winograd.ts";
import { type Cost, free } from "./cost.ts";
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

/** What a profile lists, by family. */
interface Lists {
  readonly memory: "buffers" | "textures";
  readonly cost: Cost;
  /** Those that compile soonest. */
  readonly cold: readonly Strategy[];
  readonly others?: readonly Strategy[];
  /** By each of these products. */
  readonly transforms?: readonly Winograd[];
  readonly products?: readonly Product[];
}

/** In float16 there is no Winograd's algorithm: its bounds do not allow for transformed tiles that are rounded. */
function profileOf(name: string, float16: Float16 | undefined, lists: Lists): DeviceProfile {
  const { memory, cost, cold, others = [], products = [] } = lists;
  const transforms = float16 ? [] : (lists.transforms ?? []);
  const transformed = transforms.flatMap((each) => products.map((product) => winograd(each, product)));
  const strategies = [...cold, ...others, ...transformed];
  const algorithms = transforms.map((each) => each.name);
  return { name, memory: float16 ? `float16 ${memory}` : memory, cost, strategies, cold, algorithms };
}

function productsFor(float16: Float16 | undefined): Products {
  return float16 === "products" ? "float16" : "float32";
}

/** For whatever the others do not fit. */
const last = [onePixel, quadStrategy, plainStrategy];

/**
 * Arithmetic, since no GPU was at hand (docs/decisions/2026-11-24-webgpu.md): 32 cores of 128 lanes, at 1.5 GHz, that
 * load 64 bytes a clock.
 */
const gpuCost = { ...free, lanes: 64, cores: 32, load: 10, store: 10, fma: 0.35, step: 1 };

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

/** A kind of software adapters, of some lanes. `scripts/costs.ts` measures how well the costs choose. */
interface Software {
  readonly name: string;
  readonly lanes: number;
  readonly cost: { readonly [memory in Lists["memory"]]: Omit<Cost, "lanes"> };
  readonly tiles: readonly Omit<Tile, "lanes">[];
  /** How many of the tiles, from the first, compile soonest. */
  readonly coldTiles: number;
  /** Channels of strips of seven rows. */
  readonly strips: readonly number[];
  readonly transforms: readonly Winograd[];
}

const tile = (channels: number, pixels: number) => ({ channels, pixels });

const inBuffers = { ...free, cores: 1, load: 40, store: 40, broadcast: 0.4, fma: 0.25, keep: 0.3, step: 10, byte: 0.4 };

/** F(2, 3) saves 2 to 5 % of a run of ResNet-18, for 5 % of its load and 7 MiB: left out. */
export const lavapipe: Software = {
  name: "lavapipe",
  lanes: 8,
  cost: { buffers: inBuffers, textures: { ...inBuffers, load: 10, store: 12 } },
  tiles: [tile(32, 7), tile(4, 14)],
  coldTiles: 2,
  strips: [4, 8],
  transforms: [f4],
};

const swiftShaderCost = { ...free, cores: 1, load: 160, store: 160, fma: 0.5 };

/** 32 × 13 covers 7 × 7 pixels by 52, and 32 × 4 their 16 tiles of F(2, 3). */
export const swiftShader: Software = {
  name: "SwiftShader",
  lanes: 4,
  cost: { buffers: swiftShaderCost, textures: swiftShaderCost },
  tiles: [tile(16, 7), tile(32, 10), tile(32, 13), tile(32, 4)],
  coldTiles: 1,
  strips: [],
  transforms: [f2, f4],
};

export function softwareProfile(
  { name, cost, tiles, coldTiles, transforms, ...kind }: Software,
  memory: Lists["memory"],
  float16?: Float16,
  of: Lanes = { lanes: kind.lanes },
): DeviceProfile {
  const common = { ...of, products: productsFor(float16) };
  const products = tiles.map((each) => tiled({ ...common, ...each }));
  const all = products.map(direct);
  const inStrips = kind.strips.flatMap((channels) =>
    ([1, 2] as const).map((down) => strips({ ...common, channels, rows: 7, down })),
  );
  return profileOf(of.withoutSubgroups ? `${name} without subgroups` : name, float16, {
    memory,
    cost: { ...cost[memory], lanes: of.lanes },
    cold: [...all.slice(0, coldTiles), ...last],
    others: [...all.slice(coldTiles), ...inStrips],
    transforms,
    products,
  });
}

/** Where a fast kernel is wrong, or none is wanted. */
export function plainProfile(float16?: Float16): DeviceProfile {
  return profileOf("plain", float16, { memory: "buffers", cost: { ...inBuffers, lanes: 8 }, cold: [plainStrategy] });
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
  const like = (withoutSubgroups ? hasTextures : of.lanes >= 8) ? lavapipe : swiftShader;
  const profile = softwareProfile(like, "buffers", float16, of);
  // lavapipe of Mesa 25.0 with vectors of 512 bits reads textures wrong
  return hasTextures ? { ...softwareProfile(lavapipe, "textures", float16, of), instead: profile } : profile;
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
