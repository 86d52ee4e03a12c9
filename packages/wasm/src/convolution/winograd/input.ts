import { type I32, i32, type Local, v128 } from "../../encode/expression.ts";
import type { Body, WasmFunction } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import type { PhaseFunction } from "../../kernels/kernel.ts";
import { planeOf, planeTask } from "../../kernels/planes.ts";
import { type ImageLayout, quadsOf, rowBytes } from "../../layout.ts";
import { type LayerOperand, layerPhase } from "../layer.ts";
import type { Parts } from "./parts.ts";
import { blockOf, type Groups, groupsOf, type Tiling } from "./tiling.ts";
import { float32s, timesRows } from "./transform.ts";

/** V = Bᵀ·d·B of one tile, for four channels. */
function transformTile(module: ModuleBuilder, { points: { input }, layer: { x }, scratch }: Parts) {
  const side = input.length;
  return module.function(["from", "to"], (body, { from, to }) => {
    const arithmetic = float32s(body, input);
    const pixels = input.map(() => body.local("v128"));
    const columns = input.map((_, j) => {
      for (const [i, pixel] of pixels.entries()) body.set(pixel, v128.load(from, i * rowBytes(x) + 16 * j));
      return timesRows(body, arithmetic, input, pixels);
    });
    for (let i = 0; i < side; i++) {
      const row = columns.map((column) => column[i]!);
      for (const [j, value] of timesRows(body, arithmetic, input, row).entries())
        body.store(to, value, (i * side + j) * scratch.vPosition);
    }
  });
}

/** The phase that computes V of a block. A task is a row of tiles, four channels of each. */
export function inputPhase(module: ModuleBuilder, parts: Parts): PhaseFunction<LayerOperand> {
  const { layer, tiling, largestGroup } = parts;
  const { x, attributes } = layer;
  const [top, left] = attributes.padding;
  const quads = quadsOf(x);
  const transform = transformTile(module, parts);
  return layerPhase(module, "input", layer, (body, values) => {
    const block = blockOf(body, tiling, values, { perRow: quads });
    const groups = groupsOf(body, body.let(i32.times(block.rows, tiling.columns)), largestGroup);
    body.range(values.first, values.end, (task) => {
      const { image: row, quad } = planeTask(body, task, quads);
      const { image, quad: down } = planeTask(body, row, tiling.rows);
      const corner = i32.times(down, tiling.outputs * rowBytes(x));
      const start = i32.plus(i32.add(planeOf(values.x, x, { image, quad }), corner), -top * rowBytes(x) - 16 * left);
      const from = body.let(start);
      touch(body, tiling, x, from);
      const tile = i32.times(i32.sub(row, block.firstRow), tiling.columns);
      alongRow(body, transform, {
        from,
        tile,
        v: values.scratch,
        quad,
        quads,
        groups,
        tiles: tiling.columns,
        step: 16 * tiling.outputs,
      });
    });
  });
}

const CACHE_LINE = 64;

/**
 * Reads a number of each cache line of the rows that the row of tiles above has not read, so that lines that are not
 * in cache arrive together. A tile alone waits for its own lines: with 128 images of 16 × 32 × 32 the phase takes 1.6
 * times as long.
 */
function touch(body: Body, { outputs, columns }: Tiling, x: ImageLayout, from: Local<"i32">): void {
  const unused = body.local("i32");
  const end = (outputs + 1) * rowBytes(x) + 16 * (outputs * columns + 2);
  for (let at = 2 * rowBytes(x); at < end; at += CACHE_LINE) body.set(unused, i32.load(from, at));
}

interface Row {
  /** Pointer to the upper left pixel of its first tile. */
  readonly from: I32;
  /** Index of its first tile in the block. */
  readonly tile: I32;
  readonly v: I32;
  readonly quad: I32;
  readonly quads: number;
  readonly groups: Groups;
  readonly tiles: number;
  /** Bytes from one tile to the next. */
  readonly step: number;
}

/** Transforms the tiles of a row. Each group of tiles has separate memory [channels / 4][tile][4]. */
function alongRow(
  body: Body,
  transform: WasmFunction<"from" | "to">,
  { from: first, tile: firstTile, v, quad, quads, groups, tiles, step }: Row,
): void {
  const tileBytes = 16 * quads;
  const from = body.let(first);
  const tile = body.let(firstTile);
  const inLarger = body.let(i32.mul(i32.plus(groups.size, 1), groups.larger));
  const start = body.local("i32");
  const size = body.local("i32");
  body.if(
    i32.ltU(tile, inLarger),
    () => {
      body.set(size, i32.plus(groups.size, 1));
      body.set(start, i32.mul(i32.divU(tile, size), size));
    },
    () => {
      body.set(size, groups.size);
      const behind = i32.sub(tile, inLarger);
      body.set(start, i32.add(inLarger, i32.mul(i32.divU(behind, size), size)));
    },
  );
  const inGroup = body.let(i32.sub(tile, start));
  const group = body.let(i32.add(v, i32.times(start, tileBytes)));
  const firstSmaller = body.let(i32.add(v, i32.times(inLarger, tileBytes)));
  const to = body.let(i32.add(group, i32.times(i32.add(i32.mul(quad, size), inGroup), 16)));
  const left = body.let(i32.sub(size, inGroup));
  body.times(tiles, () => {
    body.call(transform, { from, to });
    body.advance(from, step);
    body.advance(to, 16);
    body.advance(left, -1);
    body.if(i32.eqz(left), () => {
      body.advance(group, i32.times(size, tileBytes));
      body.set(size, i32.add(groups.size, i32.ltU(group, firstSmaller)));
      body.set(left, size);
      body.set(to, i32.add(group, i32.times(i32.mul(quad, size), 16)));
    });
  });
}
