import type { Strip } from "./kernels/strip-conv2d.ts";
import type { Tile } from "./kernels/tiled-conv2d.ts";
import { f2, f4, type Winograd } from "./kernels/winograd.ts";

/** What a class of devices is good at: the kernels that are compiled for it, and what they cost there. */
export interface Choice {
  /** Workgroups that a dispatch should have at least, where convolutions go through shared memory (GPUs). */
  readonly sharedAtLeast?: number;
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
  /** For a load, or a store, of one number, two or four by each lane. */
  readonly load: { readonly 1: number; readonly 2: number; readonly 4: number };
  /** For a number of a lane that is given to all. */
  readonly broadcast: number;
  readonly fma: number;
  /** For a sum that lives through a step of a loop. */
  readonly keep: number;
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

function isStrip({ window, dilation, positions, down }: Work, rows: number): boolean {
  return window[0] === 3 && dilation === 1 && positions === 1 && down === rows;
}

function tileCost({ lanes, channels, pixels, depth }: Tile, { load, broadcast, fma, keep }: Cost, work: Work): number {
  const { outputs, images, size, window, quadsPerGroup, positions } = work;
  const blocks = Math.ceil((images * size[0] * size[1]) / (lanes * pixels));
  const step =
    (pixels + Math.ceil(channels / lanes)) * load[depth] +
    channels * (depth * (broadcast + pixels * fma) + pixels * keep);
  const taps = window[0] * window[1];
  const perTap = pixels * load[4]; // to find the pixels that it sees
  const steps = taps * (perTap + quadsPerGroup * (4 / depth) * step);
  return Math.ceil(outputs / channels) * blocks * positions * (steps + endCost(channels * pixels, load[4]));
}

function stripCost(
  { lanes, channels, rows, depth, down }: Strip,
  { load, broadcast, fma, keep }: Cost,
  { outputs, images, size, window, quadsPerGroup }: Work,
): number {
  const seen = (rows - 1) * down + 3;
  const weights =
    depth === 1 ? Math.ceil((3 * channels) / 4 / lanes) * load[4] : Math.ceil((3 * channels) / lanes) * load[depth];
  const step = seen * load[depth] + weights + channels * (3 * depth * (broadcast + rows * fma) + rows * keep);
  const blocks = Math.ceil(size[0] / rows) * Math.ceil(size[1] / lanes) * images;
  const steps = window[1] * (seen * load[4] + quadsPerGroup * (4 / depth) * step);
  return Math.ceil(outputs / channels) * blocks * (steps + endCost(channels * rows, load[4]));
}

/** Out of the registers, the bias, and into memory: three loads' time for four numbers. */
function endCost(sums: number, load: number): number {
  return (3 * sums * load) / 4;
}

export interface Transformed {
  readonly tiles: number;
  readonly channels: readonly [from: number, to: number];
  readonly lanes: number;
}

/** Nanoseconds of both transforms: each four numbers are loaded, go through an array of the lane's own, and are stored. */
export function transformCost(
  { inputs, outputs }: Winograd,
  { load }: Cost,
  { tiles, channels, lanes }: Transformed,
): number {
  const [from, to] = channels;
  const [whole, part, end] = [inputs * inputs, inputs * outputs, outputs * outputs];
  return ((tiles / lanes) * load[4] * (from * 3.5 * whole + to * (whole + 1.5 * part + 2 * end))) / 4;
}

/**
 * For GPUs, none of which was at hand: workgroups for the 8 to 128 cores that they have, several each, so that one can wait for
 * memory while another computes (docs/decisions/2026-11-24-webgpu.md).
 */
export const gpuChoice: Choice = { sharedAtLeast: 128, winograd: [f2, f4] };

/** What compiles soonest: one tile for all convolutions, and those of groups. */
export function coldChoice({ tiles = [], ...choice }: Choice): Choice {
  return choice.cost ? { cost: choice.cost, tiles: tiles.filter((tile, i) => i === 0 || tile.channels < 16) } : choice;
}

/** For software adapters: measured on lavapipe (8 lanes) and SwiftShader (4), docs/webgpu.md. */
export function softwareChoice(lanes: number): Choice {
  if (lanes < 8) {
    const cost = { load: { 1: 60, 2: 100, 4: 160 }, broadcast: 0, fma: 0.5, keep: 0 };
    const tiles: readonly Tile[] = [
      { lanes, channels: 16, pixels: 7, depth: 4 },
      { lanes, channels: 32, pixels: 10, depth: 4 },
      { lanes, channels: 16, pixels: 13, depth: 4 }, // 7 × 7 pixels in 52
    ];
    return { cost, tiles, winograd: [f2, f4] };
  }
  const cost = { load: { 1: 14, 2: 20, 4: 30 }, broadcast: 0.7, fma: 0.22, keep: 0.25 };
  const tiles: readonly Tile[] = [
    { lanes, channels: 32, pixels: 7, depth: 2 },
    { lanes, channels: 4, pixels: 14, depth: 4 },
  ];
  const strips: readonly Strip[] = [
    { lanes, channels: 32, rows: 7, depth: 1, down: 1 },
    { lanes, channels: 4, rows: 7, depth: 4, down: 1 },
    { lanes, channels: 8, rows: 7, depth: 4, down: 1 },
    { lanes, channels: 16, rows: 7, depth: 2, down: 1 },
  ];
  return { cost, tiles, strips, winograd: [f2, f4] };
}
