import { type Local, v128 } from "../encode/expression.ts";
import type { Body, WasmFunction } from "../encode/function.ts";
import type { ModuleBuilder } from "../encode/module.ts";
import { rectified } from "../kernels/elementwise.ts";

/** The reads of x for a sum: unrolled taps, inside loops that advance over x. */
export interface TapNest {
  /** Offset in bytes from the first tap of the pixel. */
  readonly start: number;
  /** Loops from outermost to innermost: the count, and the bytes per turn. */
  readonly loops: readonly { readonly count: number; readonly step: number }[];
  /** Offsets of the taps in bytes: channel by channel, for each column of the kernel. */
  readonly taps: readonly number[];
  /** Columns of the kernel, if adjacent pixels share their loads. */
  readonly columns?: number;
}

/** Offsets of the tile's pixels from its first pixel, in bytes. */
export interface TilePixel {
  readonly x: number;
  readonly y: number;
  readonly residual: number;
}

/**
 * A register tile: the sums of some pixels and 4·`vectors` channels, all in registers. Each tap loads `vectors` vectors
 * of weights, broadcasts one number of x per pixel, and does pixels × vectors multiply-adds of four numbers.
 */
export interface Tile {
  readonly pixels: readonly TilePixel[];
  readonly vectors: number;
  /** Vectors of weights at a tap; the tile uses the first ones. */
  readonly columns: number;
  /** Weights are in the order of the parts' taps: [tap][4·columns]. */
  readonly parts: readonly TapNest[];
  /** Bytes from one vector of channels to the next. */
  readonly planes: { readonly y: number; readonly residual: number };
  readonly hasBias: boolean;
  readonly hasResidual: boolean;
  readonly relu: boolean;
  /** Bytes from one tile of a run to the next. */
  readonly next: TilePixel;
}

const tileParameters = ["x", "weight", "bias", "residual", "y", "count"] as const;
export type TileFunction = WasmFunction<(typeof tileParameters)[number]>;

/** A function that computes `count` ≥ 1 tiles in a row. */
export function tileFunction(module: ModuleBuilder, tile: Tile): TileFunction {
  return module.function(tileParameters, (body, { x, weight, bias, residual, y, count }) => {
    const sums = tile.pixels.map(() => Array.from({ length: tile.vectors }, () => body.local("v128")));
    body.times(count, () => {
      for (let vector = 0; vector < tile.vectors; vector++) {
        const start = tile.hasBias ? v128.load(bias, 16 * vector) : v128.const(0);
        body.setAll(
          sums.map((ofPixel) => ofPixel[vector]!),
          start,
        );
      }
      addParts(body, tile, sums, { x, weight });
      for (const [at, pixel] of tile.pixels.entries()) {
        for (const [vector, sum] of sums[at]!.entries()) {
          const added = v128.load(residual, pixel.residual + vector * tile.planes.residual);
          const whole = tile.hasResidual ? v128.add(sum, added) : sum;
          body.store(y, tile.relu ? rectified(whole) : whole, pixel.y + vector * tile.planes.y);
        }
      }
      body.advance(x, tile.next.x);
      body.advance(y, tile.next.y);
      if (tile.hasResidual) body.advance(residual, tile.next.residual);
    });
  });
}

/** Adds the products of x and the weights. `weight` is not advanced. */
function addParts(
  body: Body,
  { pixels, vectors, columns: width, parts }: Pick<Tile, "pixels" | "vectors" | "columns" | "parts">,
  sums: readonly (readonly Local<"v128">[])[],
  { x, weight }: { readonly x: Local<"i32">; readonly weight: Local<"i32"> },
): void {
  const from = body.local("i32");
  const weights = body.let(weight);
  const number = body.local("v128");
  const held = Array.from({ length: Math.max(...parts.map(({ columns = vectors }) => columns)) }, () =>
    body.local("v128"),
  );
  const addTaps = ({ taps }: TapNest) => {
    for (const [at, tap] of taps.entries()) {
      for (let vector = 0; vector < vectors; vector++)
        body.set(held[vector]!, v128.load(weights, 16 * (at * width + vector)));
      for (const [pixel, { x: offset }] of pixels.entries()) {
        body.set(number, v128.loadSplat(from, offset + tap));
        for (let vector = 0; vector < vectors; vector++) body.addProduct(sums[pixel]![vector]!, number, held[vector]!);
      }
    }
  };
  /** With one vector of weights, each loaded number is used for every pixel whose window contains it. */
  const addShared = ({ taps }: TapNest, columns: number) => {
    const channels = taps.length / columns;
    for (let channel = 0; channel < channels; channel++) {
      const readers = new Map<number, (readonly [pixel: number, column: number])[]>();
      for (let column = 0; column < columns; column++) {
        const at = column * channels + channel;
        body.set(held[column]!, v128.load(weights, 16 * at * width));
        for (const [pixel, { x: offset }] of pixels.entries()) {
          const seen = offset + taps[at]!;
          readers.set(seen, [...(readers.get(seen) ?? []), [pixel, column]]);
        }
      }
      for (const [seen, all] of [...readers].sort(([a], [b]) => a - b)) {
        body.set(number, v128.loadSplat(from, seen));
        for (const [pixel, column] of all) body.addProduct(sums[pixel]![0]!, number, held[column]!);
      }
    }
  };
  for (const part of parts) {
    body.set(from, x);
    body.advance(from, part.start);
    nest(body, part.loops, from, () => {
      if (part.columns === undefined) addTaps(part);
      else addShared(part, part.columns);
      body.advance(weights, 16 * width * part.taps.length);
    });
  }
}

function nest(body: Body, loops: TapNest["loops"], from: Local<"i32">, statements: () => void): void {
  const [outer, ...inner] = loops;
  if (!outer) {
    statements();
    return;
  }
  const moved = inner[0] ? inner[0].count * inner[0].step : 0;
  body.times(outer.count, () => {
    nest(body, inner, from, statements);
    body.advance(from, outer.step - moved);
  });
}
