import { type I32, i32 } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";
import { hasBorder } from "../../layout.ts";
import type { TileFunction } from "../tile.ts";
import { type Band, bandsOf, blockCount, type Run, split } from "../tiling.ts";
import { costsOf, type Design, trafficOf } from "./design.ts";
import { type Cursor, move, moveTimes, newCursor, place, stepsOf, type Tiles, times } from "./tiles.ts";

/** How a task covers its part of an image. */
export interface Cover {
  /** Number of parts of an image. */
  readonly blocks: number;
  /** The statements for one part. */
  readonly emit: (body: Body, part: CoveredPart) => void;
}

interface CoveredPart {
  readonly block: I32;
  readonly tiles: Tiles;
  /** Pointers for the channels. */
  readonly vectors: number;
  /** Pointer to the image's first pixel; the loop advances it. */
  readonly cursor: Cursor;
  readonly call: (tile: TileFunction, at: Cursor, count: I32) => void;
}

export function coverOf(design: Design): Cover {
  return isFlat(design) ? flatCover(design) : rowCover(design);
}

/** Whether all pixels may be treated as one row: each output reads only its own pixel, and rows have no gaps. */
function isFlat({ panels, layer: { x, y, residual, attributes } }: Design): boolean {
  const isPoint = panels.taps === 1 && attributes.stride.every((step) => step === 1);
  return isPoint && [x, y, ...(residual ? [residual] : [])].every((each) => each.order === "quads" && !hasBorder(each));
}

/** All pixels as one row: each part has this number of largest tiles, and the last part also has the rest. */
function flatCover(design: Design): Cover {
  const { y } = design.layer;
  const [largest, ...rest] = split(y.height * y.width, costsOf(design)).runs;
  const { pixels, count } = largest!;
  const perBlock = Math.ceil(count / blockCount(count, trafficOf(design)).blocks);
  const blocks = Math.ceil(count / perBlock);
  const step = times(stepsOf(design.layer).right, pixels);
  return {
    blocks,
    emit(body, { block, tiles, vectors, cursor, call }) {
      const first = body.let(i32.times(block, perBlock));
      moveTimes(body, cursor, step, first);
      const left = body.let(i32.sub(i32.const(count), first));
      call(tiles.of(1, pixels, vectors), cursor, i32.minS(left, i32.const(perBlock)));
      if (rest.length === 0) return;
      body.if(i32.eq(block, i32.const(blocks - 1)), () => {
        moveTimes(body, cursor, step, left);
        emitRuns(body, design, rest, { tiles, vectors, cursor, call });
      });
    },
  };
}

function emitRuns(
  body: Body,
  { layer }: Design,
  runs: readonly Run[],
  { tiles, vectors, cursor, call }: Omit<CoveredPart, "block">,
): void {
  const { right } = stepsOf(layer);
  for (const { pixels, count } of runs) {
    call(tiles.of(1, pixels, vectors), cursor, i32.const(count));
    move(body, cursor, times(right, pixels * count));
  }
}

/** Row by row, or in tiles of two rows where they are cheaper; an image is then one part. */
function rowCover(design: Design): Cover {
  const { y } = design.layer;
  const { bands } = bandsOf(y.height, y.width, costsOf(design));
  const [first, ...others] = bands;
  const { count, height } = first!;
  const perBlock = others.length > 0 ? count : Math.ceil(count / blockCount(count, trafficOf(design)).blocks);
  const { down } = stepsOf(design.layer);
  return {
    blocks: Math.ceil(count / perBlock),
    emit(body, part) {
      const start = body.let(i32.times(part.block, perBlock));
      moveTimes(body, part.cursor, times(down, height), start);
      const rows = i32.minS(i32.sub(i32.const(count), start), i32.const(perBlock));
      body.times(rows, () => emitBand(body, design, first!, part));
      for (const band of others) body.times(band.count, () => emitBand(body, design, band, part));
    },
  };
}

/** One band. Moves the cursor to the next. */
function emitBand(
  body: Body,
  { layer }: Design,
  { height, tiles: inRow }: Band,
  { tiles, vectors, cursor, call }: CoveredPart,
): void {
  const { right, down } = stepsOf(layer);
  const at = newCursor(body);
  place(body, at, cursor);
  for (const [index, { width, count }] of inRow.entries()) {
    call(tiles.of(height, width, vectors), at, i32.const(count));
    if (index < inRow.length - 1) move(body, at, times(right, width * count));
  }
  move(body, cursor, times(down, height));
}
