import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bandsOf, blockCount, split, type TileKind, tileCosts } from "./tiling.ts";

const forms = ["relaxed madd", "mul and add"] as const;
const kinds: readonly TileKind[] = [1, 2, 8, "shared"];
const size = fc.integer({ min: 1, max: 60 });

describe.each(forms)("%s", (form) => {
  it.each(kinds)("tiles of kind %s cover a row once, and are listed ones", (kind) => {
    const costs = tileCosts(form, kind);
    fc.assert(
      fc.property(size, (pixels) => {
        const { runs, cost } = split(pixels, costs);
        expect(runs.reduce((sum, run) => sum + run.pixels * run.count, 0)).toBe(pixels);
        const listed = runs.reduce((sum, run) => sum + costs[run.pixels]! * run.count, 0);
        expect(cost).toBeCloseTo(listed, 9);
      }),
    );
  });

  it.each(kinds)("no other tiles of kind %s cover a row for less", (kind) => {
    const costs = tileCosts(form, kind);
    const least = [0];
    for (let pixels = 1; pixels <= 1000; pixels++) {
      const widths = Object.keys(costs).map(Number);
      const fitting = widths.filter((width) => width <= pixels);
      least.push(Math.min(...fitting.map((width) => least[pixels - width]! + costs[width]!)));
      expect(split(pixels, costs).cost).toBeCloseTo(least[pixels]!, 9);
    }
  });

  it.each(kinds)("tiles of kind %s cover a row as long as memory holds", (kind) => {
    const { runs } = split(2 ** 28, tileCosts(form, kind)); // a table of all its pixels has no room
    expect(runs.reduce((sum, run) => sum + run.pixels * run.count, 0)).toBe(2 ** 28);
  });

  it.each(kinds)("tiles of kind %s cover an image once, no dearer than row by row", (kind) => {
    const costs = tileCosts(form, kind);
    fc.assert(
      fc.property(size, size, (height, width) => {
        const { bands, cost } = bandsOf(height, width, costs);
        expect(bands.reduce((sum, band) => sum + band.height * band.count, 0)).toBe(height);
        for (const { tiles } of bands)
          expect(tiles.reduce((sum, tile) => sum + tile.width * tile.count, 0)).toBe(width);
        expect(cost).toBeLessThanOrEqual(height * split(width, costs).cost + 1e-9);
      }),
    );
  });
});

it("7 × 7 pixels are three bands of two rows, and a row", () => {
  const { bands } = bandsOf(7, 7, tileCosts("relaxed madd", 2));
  expect(bands).toEqual([
    {
      height: 2,
      count: 3,
      tiles: [
        { width: 3, count: 1 },
        { width: 2, count: 2 },
      ],
    },
    {
      height: 1,
      count: 1,
      tiles: [
        { width: 4, count: 1 },
        { width: 3, count: 1 },
      ],
    },
  ]);
});

describe("parts of an image", () => {
  it("is whole where it fits the second cache, and its weights do not", () => {
    expect(blockCount(56, { weights: 9 << 20, image: 100 << 10, panels: 64 }).blocks).toBe(1);
  });

  it("is cut where every panel would read it from the third, and its weights are few", () => {
    const { blocks } = blockCount(56, { weights: 64 << 10, image: 3 << 20, panels: 32 });
    expect((3 << 20) / blocks).toBeLessThanOrEqual(350 << 10);
  });
});
