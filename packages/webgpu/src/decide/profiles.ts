import { type AdapterInfo, isSoftwareAdapter } from "@residual/kit/gpu";
import { plainStrategy } from "../kernels/conv2d.ts";
import * as plainKernels from "../kernels/index.ts";
import type { Memory, Products } from "../kernels/kernel.ts";
import { onePixel } from "../kernels/one-pixel.ts";
import { direct, type Product } from "../kernels/product.ts";
import { quadStrategy } from "../kernels/quad-conv2d.ts";
import { inSharedMemory, splitReduction } from "../kernels/shared-conv2d.ts";
import { sharedWeightGradient } from "../kernels/shared-weight-gradient.ts";
import type { Lanes } from "../kernels/step-weights.ts";
import { strips } from "../kernels/strip-conv2d.ts";
import { type Tile, tiled } from "../kernels/tiled-conv2d.ts";
import { tiledGradient, type WeightTile } from "../kernels/tiled-weight-gradient.ts";
import { f2, f4, type Winograd, winograd } from "../kernels/winograd.ts";
import { type Cost, free } from "./cost.ts";
import type { Strategy } from "./strategy.ts";
import type { WeightGradientStrategy } from "./weight-gradient.ts";

/** The memory, costs and strategies for a class of devices. */
export interface DeviceProfile {
  readonly name: string;
  readonly memory: Memory;
  readonly cost: Cost;
  readonly strategies: readonly Strategy[];
  /** The strategies that compile fastest. */
  readonly cold: readonly Strategy[];
  /** The strategies for gradients by weights. */
  readonly weightGradients: readonly WeightGradientStrategy[];
  /** Winograd's algorithms among the strategies. */
  readonly algorithms: readonly ("winograd-f2" | "winograd-f4")[];
  /** The name of the fastest strategy for a layer, by the layer's key. */
  readonly tuned?: ReadonlyMap<string, string>;
  /** The profile to use if one of this profile's kernels is wrong. Default: the plain profile */
  readonly instead?: DeviceProfile;
}

/** The numbers that are float16: all stored numbers, or also the products in convolutions. Sums are always float32. */
export type Float16 = "storage" | "products";

/** The convolution kernels: for adapters on the CPU, for GPUs, or for any adapter. */
export type KernelSet = "software" | "gpu" | "plain";

/** The costs and strategies from which `profileOf` makes a profile. */
interface Lists {
  readonly memory: "buffers" | "textures";
  readonly cost: Cost;
  /** The strategies that compile fastest. */
  readonly cold: readonly Strategy[];
  readonly others?: readonly Strategy[];
  /** Winograd transforms. Each is combined with each of `products`. */
  readonly transforms?: readonly Winograd[];
  readonly products?: readonly Product[];
  readonly weightGradients?: readonly WeightGradientStrategy[];
}

/** Float16 leaves out Winograd's algorithm: its bounds do not cover transformed tiles that are rounded to float16. */
function profileOf(name: string, float16: Float16 | undefined, lists: Lists): DeviceProfile {
  const { cost, cold, others = [], products = [], weightGradients = [] } = lists;
  const memory: Memory = float16 ? `float16 ${lists.memory}` : lists.memory;
  const transforms = float16 ? [] : (lists.transforms ?? []);
  const transformed = transforms.flatMap((each) => products.map((product) => winograd(each, product)));
  const strategies = [...cold, ...others, ...transformed];
  const algorithms = transforms.map((each) => each.name);
  return { name, memory, cost, strategies, cold, weightGradients, algorithms };
}

function productsFor(float16: Float16 | undefined): Products {
  return float16 === "products" ? "float16" : "float32";
}

/** Strategies for layers that no other strategy fits. */
const last = [onePixel, quadStrategy, plainStrategy];

/**
 * Estimated, since no GPU was available (docs/decisions/2026-11-24-webgpu.md): 32 cores of 128 lanes at 1.5 GHz, each
 * of which loads 64 bytes per clock cycle.
 */
const gpuCost = { ...free, lanes: 64, cores: 32, load: 10, store: 10, fma: 0.35, step: 1 };

/** Gradients by weights of narrow groups: each invocation has a column, for four outputs. */
const ofGroups = { lanes: 32, outputs: 4, columns: 1, pixels: 4, withoutSubgroups: true };

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
    weightGradients: [sharedWeightGradient, tiledGradient(ofGroups)],
  });
}

/** A kind of software adapter. `scripts/costs.ts` measures how well strategies are chosen by the costs. */
interface Software {
  readonly name: string;
  readonly lanes: number;
  readonly cost: { readonly [memory in Lists["memory"]]: Omit<Cost, "lanes"> };
  readonly tiles: readonly Omit<Tile, "lanes">[];
  /** The number of tiles, from the first, that compile fastest. */
  readonly coldTiles: number;
  readonly weightTiles: readonly Omit<WeightTile, "lanes">[];
  /** Output channels of the strips, which have seven rows. */
  readonly strips: readonly number[];
  readonly transforms: readonly Winograd[];
}

const tile = (channels: number, pixels: number) => ({ channels, pixels });
const weightTile = (outputs: number, columns: number, pixels: number) => ({ outputs, columns, pixels });

const inBuffers = { ...free, cores: 1, load: 40, store: 40, broadcast: 0.4, fma: 0.25, keep: 0.3, step: 10, byte: 0.4 };

/** F(2, 3) is left out: it shortens a run of ResNet-18 by 2 to 5 %, but lengthens its load by 5 % and takes 7 MiB. */
export const lavapipe: Software = {
  name: "lavapipe",
  lanes: 8,
  cost: { buffers: inBuffers, textures: { ...inBuffers, load: 10, store: 12 } },
  tiles: [tile(32, 7), tile(4, 14)],
  coldTiles: 2,
  weightTiles: [weightTile(32, 2, 4), weightTile(4, 4, 4)],
  strips: [4, 8],
  transforms: [f4],
};

const swiftShaderCost = { ...free, cores: 1, load: 160, store: 160, fma: 0.5 };

/**
 * Tiles are channels × pixels of a lane, with 4 lanes. 32 × 13 covers 52 pixels, enough for an output of 7 × 7. 32 × 4
 * covers 16 pixels, enough for the 16 tiles of F(2, 3) in such an output.
 */
export const swiftShader: Software = {
  name: "SwiftShader",
  lanes: 4,
  cost: { buffers: swiftShaderCost, textures: swiftShaderCost },
  tiles: [tile(16, 7), tile(32, 10), tile(32, 13), tile(32, 4)],
  coldTiles: 1,
  weightTiles: [weightTile(16, 2, 4), weightTile(4, 4, 4)],
  strips: [],
  transforms: [f2, f4],
};

export function softwareProfile(
  { name, cost, tiles, coldTiles, weightTiles, transforms, ...kind }: Software,
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
    weightGradients: weightTiles.map((each) => tiledGradient({ ...of, ...each })),
  });
}

/** The profile for an adapter that computes a fast kernel wrong, and for `kernels: "plain"`. */
export function plainProfile(float16?: Float16): DeviceProfile {
  return profileOf("plain", float16, { memory: "buffers", cost: { ...inBuffers, lanes: 8 }, cold: [plainStrategy] });
}

/** The features and limits that a profile depends on. */
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
  // a kernel's workgroup must be one whole subgroup, so the size must be known
  const withoutSubgroups = !device.features.has("subgroups") || size === undefined;
  const of = { lanes: size ?? 8, withoutSubgroups };
  const isLavapipe = /llvmpipe|lavapipe/i.test(`${info.device} ${info.description}`);
  const hasTextures = isLavapipe && device.limits.maxStorageTexturesPerShaderStage >= BOUND;
  const like = (withoutSubgroups ? hasTextures : of.lanes >= 8) ? lavapipe : swiftShader;
  const profile = softwareProfile(like, "buffers", float16, of);
  // lavapipe of Mesa 25.0 reads textures wrong on CPUs with 512-bit vectors
  return hasTextures ? { ...softwareProfile(lavapipe, "textures", float16, of), instead: profile } : profile;
}

/** The textures that batch norm binds, the most of any kernel. */
const BOUND = 6;

/** A profile with only the strategies that compile fastest. */
export function coldProfile(profile: DeviceProfile): DeviceProfile {
  const { instead, ...rest } = profile;
  return { ...rest, strategies: profile.cold, algorithms: [], ...(instead && { instead: coldProfile(instead) }) };
}

/** The WGSL of all kernels that a profile may use. A change of any text invalidates earlier findings about a device. */
export function kernelTexts({ memory, strategies, weightGradients, instead }: DeviceProfile): readonly string[] {
  const convolutions = strategies.flatMap(({ kernels, packing }) => [...kernels, packing]);
  const gradients = weightGradients.flatMap(({ kernels }) => kernels);
  const own = new Set(
    [...Object.values(plainKernels), ...convolutions, ...gradients].map((kernel) => kernel(memory).program),
  );
  return [...own, ...(instead ? kernelTexts(instead) : [])];
}
