import type { Tile } from "./kernels/tiled-conv2d.ts";
import { f2, f4, type Winograd } from "./kernels/winograd.ts";

/** What a class of devices is good at: the tiles that are compiled for it, and what they cost there. */
export interface Choice {
  /** None where only the plain kernels will do. */
  readonly tiles?: readonly Tile[];
  readonly cost?: Cost;
  /** Winograd's algorithms that may be used. */
  readonly winograd?: readonly Winograd[];
}

/** Cycles of a subgroup for one number a lane: of a vec4 that is loaded or stored, broadcast, multiplied and added. */
export interface Cost {
  readonly load: number;
  readonly broadcast: number;
  readonly fma: number;
}

/** A convolution as far as its cost goes; channels in fours. */
export interface Work {
  readonly outputs: number;
  readonly outputsPerGroup: number;
  readonly quadsPerGroup: number;
  /** Output pixels of all images. */
  readonly pixels: number;
  readonly taps: number;
  /** Products beside one another. */
  readonly positions: number;
}

/** Cycles that a tile takes for it, filled or not. Undefined where it does not fit into a group. */
function costOf({ lanes, channels, pixels }: Tile, { load, broadcast, fma }: Cost, work: Work): number | undefined {
  if (work.outputsPerGroup < work.outputs && work.outputsPerGroup % channels !== 0) return undefined;
  const workgroups = Math.ceil(work.outputs / channels) * Math.ceil(work.pixels / (lanes * pixels)) * work.positions;
  const step = 4 * ((pixels + Math.ceil(channels / lanes)) * load + channels * (broadcast + pixels * fma));
  const end = 3 * channels * pixels * load; // out of the registers, the bias, and into memory
  return workgroups * (work.taps * work.quadsPerGroup * step + end);
}

/** The tile that takes the fewest cycles. */
export function cheapest(
  { tiles = [], cost }: Choice,
  work: Work,
): { readonly tile: Tile; readonly cycles: number } | undefined {
  const all = tiles.flatMap((tile) => {
    const cycles = cost && costOf(tile, cost, work);
    return cycles === undefined ? [] : [{ tile, cycles }];
  });
  return all.toSorted((a, b) => a.cycles - b.cycles)[0];
}

/** Cycles of both transforms: each number is loaded and stored, and goes through an array in between. */
export function transformCost(
  { inputs, outputs }: Winograd,
  { load }: Cost,
  {
    tiles,
    channels,
    lanes,
  }: { readonly tiles: number; readonly channels: readonly [from: number, to: number]; readonly lanes: number },
): number {
  const [from, to] = channels;
  const [whole, part, end] = [inputs * inputs, inputs * outputs, outputs * outputs];
  return (tiles / lanes) * load * (4 * from * whole + to * (whole + 2 * part + 2 * end));
}

/** For software adapters: measured on lavapipe (8 lanes) and SwiftShader (4), docs/webgpu.md. */
export function softwareChoice(lanes: number): Choice {
  if (lanes < 8) {
    const cost = { load: 30, broadcast: 4.2, fma: 3.4 };
    return { cost, tiles: [{ lanes, channels: 16, pixels: 7, depth: 4 }], winograd: [f2, f4] };
  }
  const cost = { load: 17, broadcast: 2.6, fma: 0.75 };
  const tiles: readonly Tile[] = [
    { lanes, channels: 32, pixels: 7, depth: 2 },
    { lanes, channels: 8, pixels: 14, depth: 4 },
    { lanes, channels: 4, pixels: 14, depth: 4 },
  ];
  return { cost, tiles, winograd: [f2, f4] };
}
