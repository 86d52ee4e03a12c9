import { isTextures, type Memory, type Products } from "./kernels/kernel.ts";
import type { Strip } from "./kernels/strip-conv2d.ts";
import type { Tile } from "./kernels/tiled-conv2d.ts";
import { f2, f4, type Winograd } from "./kernels/winograd.ts";

/** What a class of devices is good at: the kernels that are compiled for it, and what they cost there. */
export interface Choice {
  /** What tensors lie in; buffers where not given. */
  readonly memory?: Memory;
  /** Of convolutions; float32 where not given. */
  readonly products?: Products;
  /** Workgroups that a dispatch should have at least, where convolutions go through shared memory (GPUs). */
  readonly sharedAtLeast?: number;
  /** Whether what none of the others takes is worked out four channels at a time. */
  readonly inFours?: true;
  /** With none of these and none above only the plain kernels will do. */
  readonly cost?: Cost;
  readonly tiles?: readonly Tile[];
  readonly strips?: readonly Strip[];
  /** Winograd's algorithms that may be used. */
  readonly winograd?: readonly Winograd[];
  /** For a layer the way that was measured to be the quickest: names of candidates, by layers' keys (tuning.ts). */
  readonly tuned?: ReadonlyMap<string, string>;
}

/** Nanoseconds of a subgroup. */
export interface Cost {
  /** For a vec4 by each lane. */
  readonly load: number;
  readonly store: number;
  /** For a number of a lane that is given to all. */
  readonly broadcast: number;
  readonly fma: number;
  /** For a sum that lives through a step of a loop. */
  readonly keep: number;
  /** For a step, whatever it does. */
  readonly step: number;
  /** For a byte of weights: to read it once a run, and what its place in memory, and its way there, are worth. */
  readonly byte: number;
}

/** A convolution as far as its cost goes; channels in fours. */
export interface Work {
  readonly outputs: number;
  readonly outputsPerGroup: number;
  readonly quadsPerGroup: number;
  readonly images: number;
  readonly size: readonly [h: number, w: number];
  readonly window: readonly [h: number, w: number];
  /** From one row of the output to the next, and from one row of taps. */
  readonly down: number;
  readonly dilation: number;
  /** Products beside one another. */
  readonly positions: number;
}

export type Chosen = { readonly ns: number } & (
  | { readonly tile: Tile; readonly strip?: never }
  | { readonly strip: Strip; readonly tile?: never }
);

/** The tile or strip that takes the least time, filled or not. Undefined where none fits into a group. */
export function cheapest({ tiles = [], strips = [], cost }: Choice, work: Work): Chosen | undefined {
  if (!cost) return undefined;
  const fitting = (channels: number) => work.outputsPerGroup === work.outputs || work.outputsPerGroup % channels === 0;
  const ways: Chosen[] = [
    ...tiles.filter((tile) => fitting(tile.channels)).map((tile) => ({ tile, ns: tileCost(tile, cost, work) })),
    ...strips
      .filter(({ channels, down }) => fitting(channels) && isStrip(work, down))
      .map((strip) => ({ strip, ns: stripCost(strip, cost, work) })),
  ];
  return ways.toSorted((a, b) => a.ns - b.ns)[0];
}

/** For groups: where all outputs see all of x, a tile is as quick, and its weights are packed sooner. */
function isStrip({ window, dilation, outputs, outputsPerGroup, down }: Work, rows: number): boolean {
  return window[0] === 3 && dilation === 1 && outputsPerGroup < outputs && down === rows;
}

function tileCost({ lanes, channels, pixels }: Tile, cost: Cost, work: Work): number {
  const { load, broadcast, fma, keep } = cost;
  const { outputs, images, size, window, quadsPerGroup, positions } = work;
  const blocks = Math.ceil((images * size[0] * size[1]) / (lanes * pixels));
  const step =
    cost.step +
    (pixels + Math.ceil(channels / lanes)) * load +
    channels * (4 * (broadcast + pixels * fma) + pixels * keep);
  const taps = window[0] * window[1];
  const steps = taps * (pixels * load + quadsPerGroup * step); // a load's time to find a pixel that a tap sees
  const bytes = 16 * taps * quadsPerGroup * positions * outputs;
  return (
    Math.ceil(outputs / channels) * blocks * positions * (steps + endCost(channels * pixels, cost)) + bytes * cost.byte
  );
}

function stripCost({ lanes, channels, rows, down }: Strip, cost: Cost, work: Work): number {
  const { load, broadcast, fma, keep } = cost;
  const { outputs, images, size, window, quadsPerGroup } = work;
  const seen = (rows - 1) * down + 3;
  const step =
    cost.step +
    (seen + Math.ceil((3 * channels) / lanes)) * load +
    channels * (12 * (broadcast + rows * fma) + rows * keep);
  const blocks = Math.ceil(size[0] / rows) * Math.ceil(size[1] / lanes) * images;
  const steps = window[1] * (seen * load + quadsPerGroup * step);
  return Math.ceil(outputs / channels) * blocks * (steps + endCost(channels * rows, cost));
}

/** The bias, perhaps a residual, and into memory; with a load's time to find where. */
function endCost(sums: number, { load, store }: Cost): number {
  return (sums / 4) * (2 * load + store);
}

export interface Transformed {
  readonly tiles: number;
  readonly channels: readonly [from: number, to: number];
  readonly lanes: number;
}

/** Nanoseconds of both transforms, which load each number and store it once. */
export function transformCost(
  { inputs, outputs }: Winograd,
  { load, store, fma }: Cost,
  { tiles, channels, lanes }: Transformed,
): number {
  const [from, to] = channels;
  const [whole, end] = [inputs * inputs, outputs * outputs];
  const sums = 4 * (2 * inputs * whole * fma); // a tile's four channels, along both axes
  const input = whole * (load + store) + sums;
  const output = whole * load + end * (store + load) + sums;
  return ((tiles / lanes) * (from * input + to * output)) / 4;
}

/**
 * For GPUs, none of which was at hand: workgroups for the 8 to 128 cores that they have, several each, so that one can
 * wait for memory while another computes (docs/decisions/2026-11-24-webgpu.md).
 */
export const gpuChoice: Choice = { sharedAtLeast: 128, inFours: true, winograd: [f2, f4] };

/** For software adapters whose subgroups are missing, or of more than one size. */
export const fallbackChoice: Choice = { inFours: true };

/** What compiles soonest: one tile for all convolutions, and those of groups. */
export function coldChoice(all: Choice): Choice {
  const { tiles = [], strips: _, winograd: __, ...choice } = all;
  return choice.cost ? { ...choice, tiles: tiles.filter((tile, i) => i === 0 || tile.channels < 16) } : choice;
}

/**
 * The same in float16: in what tensors lie, or in products as well. Not by Winograd's algorithm, whose transformed
 * tiles would be rounded too, which no bound here allows for.
 */
export function float16Choice(choice: Choice, products: Products): Choice {
  const { winograd: _, memory = "buffers", tiles, strips, ...rest } = choice;
  const half = <T>(all: readonly T[] | undefined) => all && { all: all.map((each) => ({ ...each, products })) };
  const [halfTiles, halfStrips] = [half(tiles), half(strips)];
  return {
    ...rest,
    memory: memory === "textures" ? "float16 textures" : "float16 buffers",
    products,
    ...(halfTiles && { tiles: halfTiles.all }),
    ...(halfStrips && { strips: halfStrips.all }),
  };
}

/** For software adapters: measured on lavapipe (8 lanes) and SwiftShader (4), docs/webgpu.md. */
export function softwareChoice(lanes: number, memory: Memory): Choice {
  if (lanes < 8) {
    const cost = { load: 160, store: 160, broadcast: 0, fma: 0.5, keep: 0, step: 0, byte: 0 };
    const tiles: readonly Tile[] = [
      { lanes, channels: 16, pixels: 7 },
      { lanes, channels: 32, pixels: 10 },
      { lanes, channels: 16, pixels: 13 }, // 7 × 7 pixels in 52
      { lanes, channels: 32, pixels: 4 }, // and their 16 tiles of F(2, 3)
    ];
    return { memory, cost, inFours: true, tiles, winograd: [f2, f4] };
  }
  const inBuffers = { load: 40, store: 40, broadcast: 0.4, fma: 0.25, keep: 0.3, step: 10, byte: 0.4 };
  const cost = isTextures(memory) ? { ...inBuffers, load: 10, store: 12 } : inBuffers;
  const tiles: readonly Tile[] = [
    { lanes, channels: 32, pixels: 7 },
    { lanes, channels: 4, pixels: 14 },
  ];
  const strips: readonly Strip[] = [
    { lanes, channels: 4, rows: 7, down: 1 },
    { lanes, channels: 4, rows: 7, down: 2 },
    { lanes, channels: 8, rows: 7, down: 1 },
    { lanes, channels: 8, rows: 7, down: 2 },
  ];
  // F(2, 3) would be taken at 14 × 14 pixels, where it saves 2 to 5 % of a run of ResNet-18, for 5 % of its load and 7
  // MiB.
  return { memory, cost, inFours: true, tiles, strips, winograd: [f4] };
}
