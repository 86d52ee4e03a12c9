import type { Pads, WinogradPoints } from "@residual/core";
import { type I32, i32, type Local } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";
import { quadsOf } from "../../layout.ts";
import type { ConvolutionLayer } from "../layer.ts";

/**
 * The division of a layer's outputs into tiles. Rows of tiles are numbered through all images of a batch, and processed
 * in blocks of nearly equal size, which share one scratch memory.
 */
export interface Tiling {
  /** Outputs of a tile along an axis: m. */
  readonly outputs: number;
  /** (m + 2)² */
  readonly positions: number;
  /** Rows of tiles of an image, and tiles of a row. */
  readonly rows: number;
  readonly columns: number;
  /** The most rows of tiles of a block. */
  readonly blockRows: number;
}

/**
 * V and M of a block may take 1 MiB (a core's second cache), or a quarter of U if that is larger. Blocks of 4 MiB take
 * 10 % longer if x is not in the first caches.
 */
const BLOCK_BYTES = 1 << 20;

/** V and M of one row of tiles. */
export function bytesOfRow(
  { positions, columns }: Pick<Tiling, "positions" | "columns">,
  { x, y }: ConvolutionLayer,
): number {
  return positions * columns * 16 * (quadsOf(x) + 2 * panelsOf(y));
}

export function tilingOf({ output }: WinogradPoints, layer: ConvolutionLayer, most = Infinity): Tiling {
  const { x, y, images } = layer;
  const outputs = output.length;
  const positions = (outputs + 2) ** 2;
  const [rows, columns] = [Math.ceil(y.height / outputs), Math.ceil(y.width / outputs)];
  const rowBytes = bytesOfRow({ positions, columns }, layer);
  const fitting = Math.floor(Math.max(BLOCK_BYTES, positions * x.channels * y.channels) / rowBytes);
  const blockRows = Math.min(most, Math.max(1, fitting), rows * (images ?? Infinity));
  return { outputs, positions, rows, columns, blockRows };
}

/** The border that x needs, so that each tile lies inside. */
export function borderFor({ outputs, rows, columns }: Tiling, { x, attributes: { padding } }: ConvolutionLayer): Pads {
  const [top, left] = padding;
  const after = (tiles: number, before: number, size: number) => Math.max(0, tiles * outputs + 2 - before - size);
  return [top, left, after(rows, top, x.height), after(columns, left, x.width)];
}

/** Rows of tiles of each block, and of the last, which may be smaller. */
export function blocksOf({ rows, blockRows }: Tiling, images: number): { each: number; rows: readonly number[] } {
  const all = images * rows;
  const each = Math.ceil(all / Math.ceil(all / blockRows));
  const blocks = Math.ceil(all / each);
  return { each, rows: Array.from({ length: blocks }, (_, block) => Math.min(each, all - block * each)) };
}

/** A block in the functions of a kernel. */
export interface Block {
  /** The first of its tasks. */
  readonly firstTask: Local<"i32">;
  /** The index of its first row of tiles, and the number of its rows. */
  readonly firstRow: Local<"i32">;
  readonly rows: Local<"i32">;
}

/** The block that contains a range of tasks, from the index of the range's first task. */
export function blockOf(
  body: Body,
  { rows, blockRows }: Tiling,
  { images, first }: { readonly images: I32; readonly first: I32 },
  tasks: { readonly perRow: number } | { readonly perBlock: number },
): Block {
  const all = body.let(i32.times(images, rows));
  const blocks = body.let(dividedUp(all, i32.const(blockRows)));
  const each = body.let(dividedUp(all, blocks));
  const perBlock = body.let("perBlock" in tasks ? i32.const(tasks.perBlock) : i32.times(each, tasks.perRow));
  const block = body.let(i32.divU(first, perBlock));
  const firstRow = body.let(i32.mul(block, each));
  const left = body.let(i32.sub(all, firstRow));
  return { firstTask: body.let(i32.mul(block, perBlock)), firstRow, rows: body.let(i32.minS(left, each)) };
}

function dividedUp(a: I32, b: I32): I32 {
  return i32.divU(i32.plus(i32.add(a, b), -1), b);
}

/** Addresses of V = Bᵀ·d·B and M = U·V of a block in scratch memory, in bytes. */
export interface Scratch {
  /** Bytes from one position to the next: V[position][group of tiles][channels / 4][tile][4]. */
  readonly vPosition: number;
  readonly m: number;
  /** M[position][outputs / 4][tile][4] */
  readonly mPosition: number;
  readonly mQuad: number;
  readonly bytes: number;
}

export function scratchOf({ positions, columns, blockRows }: Tiling, { x, y }: ConvolutionLayer): Scratch {
  const plane = 16 * blockRows * columns;
  const vPosition = spread(quadsOf(x) * plane);
  const mPosition = spread(2 * panelsOf(y) * plane);
  const m = positions * vPosition;
  return { vPosition, m, mPosition, mQuad: plane, bytes: m + positions * mPosition };
}

/** Outputs multiplied at a time: two vectors. */
export const PANEL = 8;

export function panelsOf({ channels }: { readonly channels: number }): number {
  return Math.ceil(channels / PANEL);
}

/** An odd number of cache lines: addresses at this distance do not fall into the same set of a cache. */
export function spread(bytes: number): number {
  return (Math.ceil(bytes / 64) | 1) * 64;
}

/**
 * Groups of nearly equal size of a block's tiles, which are multiplied together: `larger` groups of `size` + 1, then
 * `smaller` groups of `size`.
 */
export interface Groups {
  readonly size: Local<"i32">;
  readonly larger: Local<"i32">;
  readonly smaller: Local<"i32">;
}

export function groupsOf(body: Body, tiles: Local<"i32">, most: number): Groups {
  const count = body.let(dividedUp(tiles, i32.const(most)));
  const size = body.let(i32.divU(tiles, count));
  const larger = body.let(i32.sub(tiles, i32.mul(count, size)));
  return { size, larger, smaller: body.let(i32.sub(count, larger)) };
}

export function groupsIn(tiles: number, most: number): { size: number; larger: number; smaller: number } {
  const count = Math.ceil(tiles / most);
  const size = Math.floor(tiles / count);
  const larger = tiles - count * size;
  return { size, larger, smaller: count - larger };
}

/** The sizes of groups that occur in any block. */
export function groupSizes(tiling: Tiling, { images }: ConvolutionLayer, most: number): readonly number[] {
  const { columns, blockRows } = tiling;
  const any = Array.from({ length: blockRows }, (_, row) => row + 1);
  const sizes = (images === undefined ? any : blocksOf(tiling, images).rows).flatMap((rows) => {
    const { size, larger } = groupsIn(rows * columns, most);
    return larger > 0 ? [size, size + 1] : [size];
  });
  return [...new Set(sizes)].sort((a, b) => a - b);
}
