import type { WinogradPoints } from "@residual/core";
import type { Instructions } from "../../encode/function.ts";
import { quadsOf } from "../../layout.ts";
import type { ConvolutionLayer } from "../layer.ts";
import { streamTime, tileCosts } from "../tiling.ts";
import type { WinogradPacking } from "./packing.ts";
import { blocksOf, bytesOfRow, groupsIn, panelsOf, type Tiling } from "./tiling.ts";

/**
 * Nanoseconds of a transform for four channels of a tile. Measured by scripts/winograd.ts on an EPYC of Zen 5, and
 * scaled to the machine of tiling.ts by the register tile's times on both, 2.09 and 1.5 ns.
 */
const TRANSFORMS = {
  "winograd-f2": { input: 10.5, output: 9.5 },
  "winograd-f4": { input: 28, output: 31 },
} as const satisfies { readonly [Name in WinogradPoints["name"]]: { readonly input: number; readonly output: number } };

export interface Costed {
  readonly points: WinogradPoints;
  readonly layer: ConvolutionLayer;
  readonly tiling: Tiling;
  readonly packing: WinogradPacking;
  readonly instructions: Instructions;
  readonly largestGroup: number;
}

/**
 * Nanoseconds per image: products, transforms, writing and reading V and M, and the part of reading U that the products
 * of a panel's first group of tiles do not hide. Later groups find the panel in cache.
 */
export function costOf({ points, layer, tiling, packing, instructions, largestGroup }: Costed): number {
  const { x, y, images = 1 } = layer;
  const tileCost = tileCosts(instructions, 2);
  const sums = tiling.positions * panelsOf(y) * x.channels;
  const times = blocksOf(tiling, images).rows.map((rows) => {
    const { size, larger, smaller } = groupsIn(rows * tiling.columns, largestGroup);
    const products = sums * (larger * (tileCost[size + 1] ?? 0) + smaller * tileCost[size]!);
    const waiting = streamTime(packing.bytes, 1) - products / (larger + smaller);
    return products + Math.max(0, waiting) + streamTime(rows * bytesOfRow(tiling, layer), 2);
  });
  const { input, output } = TRANSFORMS[points.name];
  const transforms = tiling.rows * tiling.columns * (quadsOf(x) * input + quadsOf(y) * output);
  return transforms + times.reduce((sum, each) => sum + each, 0) / images;
}
