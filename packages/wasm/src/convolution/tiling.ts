import type { Instructions } from "../encode/function.ts";

/**
 * Nanoseconds of a register tile per tap, by its number of pixels, measured on an EPYC of Zen 3 at 2.95 GHz. V8 has 15
 * vector registers on x64: pixels × vectors + vectors + 1 of them are needed with a fused multiply-add, one fewer
 * without. A tile that needs more takes twice its time and is not listed.
 */
export interface TileCosts {
  readonly [pixels: number]: number;
}

/** By vectors of channels; `shared` is for tiles of one vector whose pixels share loads. */
export type TileKind = 1 | 2 | 8 | "shared";

const costs: { readonly [I in Instructions]: { readonly [Kind in TileKind]: TileCosts } } = {
  "relaxed madd": {
    1: { 12: 2.22, 10: 1.91, 8: 1.6, 7: 1.55, 6: 1.5, 4: 1.33, 3: 1.33, 2: 1.33, 1: 1.3 },
    2: { 6: 2.09, 5: 1.78, 4: 1.48, 3: 1.37, 2: 1.25, 1: 1.2 },
    8: { 1: 1.8 },
    shared: { 10: 1.43, 9: 1.32, 8: 1.2, 7: 1.1, 6: 1, 5: 0.9, 4: 0.8, 3: 0.75, 2: 0.7, 1: 0.65 },
  },
  "mul and add": {
    1: { 12: 2.9, 10: 2.4, 8: 1.9, 6: 1.6, 4: 1.4, 3: 1.4, 2: 1.4, 1: 1.4 },
    2: { 5: 2.14, 4: 1.7, 3: 1.65, 2: 1.6, 1: 1.5 },
    8: { 1: 2.2 },
    shared: { 9: 1.4, 8: 1.25, 7: 1.15, 6: 1.05, 5: 0.95, 4: 0.85, 3: 0.8, 2: 0.75, 1: 0.7 },
  },
};

export function tileCosts(instructions: Instructions, kind: TileKind): TileCosts {
  return costs[instructions][kind];
}

export interface Run {
  /** Pixels of a tile. */
  readonly pixels: number;
  readonly count: number;
}

export interface Split {
  /** The largest tiles first. */
  readonly runs: readonly Run[];
  /** Nanoseconds per tap. */
  readonly cost: number;
}

/**
 * The cheapest cover of a row of pixels by tiles. Costs must contain a tile of one pixel. If n is the tile size with
 * the lowest cost per pixel, fewer than n tiles have other sizes, since among any n tiles some sum to a multiple of n.
 * So in a long row all but the last pixels are covered by tiles of size n, and a row of 10⁸ pixels takes no more time
 * and memory than a row of 100.
 */
export function split(pixels: number, costs: TileCosts): Split {
  const sizes = Object.keys(costs).map(Number);
  const main = sizes.reduce((best, size) => (costs[size]! / size < costs[best]! / best ? size : best));
  const repeated = Math.max(0, Math.ceil((pixels - main * Math.max(...sizes)) / main));
  const rest = pixels - repeated * main;
  const best: { cost: number; size: number }[] = [{ cost: 0, size: 0 }];
  for (let covered = 1; covered <= rest; covered++) {
    let cheapest = { cost: Infinity, size: 1 };
    for (const size of sizes) {
      if (size > covered) continue;
      const cost = best[covered - size]!.cost + costs[size]!;
      if (cost < cheapest.cost) cheapest = { cost, size };
    }
    best.push(cheapest);
  }
  const counts = new Map(repeated > 0 ? [[main, repeated]] : []);
  for (let left = rest; left > 0; left -= best[left]!.size)
    counts.set(best[left]!.size, (counts.get(best[left]!.size) ?? 0) + 1);
  const runs = [...counts].map(([size, count]) => ({ pixels: size, count })).sort((a, b) => b.pixels - a.pixels);
  return { runs, cost: best[rest]!.cost + repeated * costs[main]! };
}

/** Rows of an image with the same cover: `height` rows at a time, by tiles of that height. */
export interface Band {
  readonly height: 1 | 2;
  /** Bands of this kind, one below the other. */
  readonly count: number;
  readonly tiles: readonly { readonly width: number; readonly count: number }[];
}

export interface Bands {
  readonly bands: readonly Band[];
  /** Nanoseconds per tap for the whole image. */
  readonly cost: number;
}

/**
 * Tiles of one row, or of two rows where that is cheaper: 7 × 7 pixels are 3 × (2 × 3 + 2 × 2 + 2 × 2) and a row of 4 +
 * 3.
 */
export function bandsOf(height: number, width: number, costs: TileCosts): Bands {
  const single = split(width, costs);
  const tilesOf = ({ runs }: Split) => runs.map(({ pixels, count }) => ({ width: pixels, count }));
  const rows = { bands: [{ height: 1, count: height, tiles: tilesOf(single) }], cost: height * single.cost } as const;
  const halves = Object.fromEntries(
    Object.entries(costs).flatMap(([pixels, cost]) => (Number(pixels) % 2 === 0 ? [[Number(pixels) / 2, cost]] : [])),
  );
  if (height < 2 || halves[1] === undefined) return rows;
  const double = split(width, halves);
  const pairs = Math.floor(height / 2);
  const cost = pairs * double.cost + (height % 2) * single.cost;
  if (cost >= rows.cost) return rows;
  const bands: Band[] = [{ height: 2, count: pairs, tiles: tilesOf(double) }];
  if (height % 2 === 1) bands.push({ height: 1, count: 1, tiles: tilesOf(single) });
  return { bands, cost };
}

/** Nanoseconds to stream bytes from L2, L3 or memory, depending on the size of the working set, on the same machine. */
export function streamTime(bytes: number, times: number): number {
  const gigabytesPerSecond = bytes < 350 << 10 ? 57 : bytes < 12 << 20 ? 40 : 9.4;
  return (bytes * times) / gigabytesPerSecond;
}

/**
 * The traffic of a layer: bytes of its weights and of an image, and the number of panels that read each part of the
 * image.
 */
export interface Traffic {
  readonly weights: number;
  readonly image: number;
  readonly panels: number;
}

/**
 * The number of parts of an image, each processed for all panels of weights before the next part. Each part streams the
 * weights once, and each panel streams the part. Returns the number with the least traffic.
 */
export function blockCount(
  most: number,
  { weights, image, panels }: Traffic,
): { readonly blocks: number; readonly time: number } {
  let best = { blocks: 1, time: Infinity };
  for (let blocks = 1; blocks <= most; blocks++) {
    const time = streamTime(weights, blocks) + blocks * streamTime(image / blocks, panels);
    if (time < best.time) best = { blocks, time };
  }
  return best;
}
