import { type I32, i32, type Local } from "../../encode/expression.ts";
import type { Body } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import { pixelBytes, planeBytes, rowBytes } from "../../layout.ts";
import type { ConvolutionLayer } from "../layer.ts";
import { type TapNest, type Tile, type TileFunction, type TilePixel, tileFunction } from "../tile.ts";
import { type Design, partsOf } from "./design.ts";

/** Bytes between neighbouring pixels of y, across and down, in each array that a tile accesses. */
export function stepsOf({ x, y, residual, attributes: { stride } }: ConvolutionLayer): {
  readonly right: TilePixel;
  readonly down: TilePixel;
} {
  const right = { x: stride[1] * pixelBytes(x), y: 16, residual: 16 };
  const down = { x: stride[0] * rowBytes(x), y: rowBytes(y), residual: residual ? rowBytes(residual) : 0 };
  return { right, down };
}

export function times({ x, y, residual }: TilePixel, by: number): TilePixel {
  return { x: x * by, y: y * by, residual: residual * by };
}

function sum(a: TilePixel, b: TilePixel): TilePixel {
  return { x: a.x + b.x, y: a.y + b.y, residual: a.residual + b.residual };
}

/** The functions of a module's tiles, each defined once. */
export class Tiles {
  readonly #module: ModuleBuilder;
  readonly #design: Design;
  readonly #parts: readonly TapNest[];
  readonly #made = new Map<string, TileFunction>();

  constructor(module: ModuleBuilder, design: Design) {
    this.#module = module;
    this.#design = design;
    this.#parts = partsOf(design);
  }

  /** For `height` × `width` pixels and `vectors` vectors of channels. */
  of(height: number, width: number, vectors: number): TileFunction {
    const key = `${height}×${width}×${vectors}`;
    const made = this.#made.get(key) ?? tileFunction(this.#module, this.#tile(height, width, vectors));
    this.#made.set(key, made);
    return made;
  }

  #tile(height: number, width: number, vectors: number): Tile {
    const { layer, vectors: columns } = this.#design;
    const { right, down } = stepsOf(layer);
    const pixels = Array.from({ length: height * width }, (_, at) =>
      sum(times(down, Math.floor(at / width)), times(right, at % width)),
    );
    const planes = { y: planeBytes(layer.y), residual: layer.residual ? planeBytes(layer.residual) : 0 };
    return {
      pixels,
      vectors,
      columns,
      parts: this.#parts,
      planes,
      hasBias: layer.hasBias,
      hasResidual: layer.residual !== undefined,
      relu: layer.attributes.relu,
      next: times(right, width),
    };
  }
}

/** Pointers that a task advances over the image. */
export interface Cursor {
  readonly x: Local<"i32">;
  readonly y: Local<"i32">;
  readonly residual: Local<"i32">;
}

const pointers = ["x", "y", "residual"] as const satisfies readonly (keyof Cursor)[];

export function newCursor(body: Body): Cursor {
  return { x: body.local("i32"), y: body.local("i32"), residual: body.local("i32") };
}

export function place(body: Body, cursor: Cursor, at: Cursor): void {
  for (const each of pointers) body.set(cursor[each], at[each]);
}

export function move(body: Body, cursor: Cursor, by: TilePixel): void {
  for (const each of pointers) body.advance(cursor[each], by[each]);
}

/** Advances all pointers by `count` steps. */
export function moveTimes(body: Body, cursor: Cursor, by: TilePixel, count: I32): void {
  for (const each of pointers) body.advance(cursor[each], i32.times(count, by[each]));
}
