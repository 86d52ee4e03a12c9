import { type I32, i32, type Local, v128 } from "../../encode/expression.ts";
import type { Body, Instructions, WasmFunction } from "../../encode/function.ts";
import type { ModuleBuilder } from "../../encode/module.ts";
import { type Kernel, phase } from "../../kernels/kernel.ts";
import { imageBytes, originOf, pixelBytes, planeBytes, quadsOf, rowBytes } from "../../layout.ts";
import { type ConvolutionLayer, formatLayer, groupOf, macsOf } from "../layer.ts";
import { split, tileCosts } from "../tiling.ts";
import { plainWeightGradient } from "./plain.ts";

const operands = ["x", "dy", "dw"] as const;

/** Whether the channels of groups are multiples of 4, as the fast kernel needs them. */
function isTiled(layer: ConvolutionLayer): boolean {
  const { inputs, outputs } = groupOf(layer);
  return layer.attributes.groups === 1 || (inputs % 4 === 0 && outputs % 4 === 0);
}

/**
 * The gradient of a convolution with respect to its weight, dw[o, c, p, q] = Σ dy[o, i, j] · x[c, i·stride + p,
 * j·stride + q] over images and pixels. `layer` is the convolution; the border of x holds its padding. dw is in the
 * host's order.
 */
export function weightGradient(layer: ConvolutionLayer, instructions: Instructions): Kernel {
  return isTiled(layer) ? tiledWeightGradient(designOf(layer, instructions)) : plainWeightGradient(layer);
}

/** Rows of sums: numbers of x for a pixel of dy, by their offsets in bytes. A section is split into register tiles. */
interface Section {
  readonly offsets: readonly number[];
}

/** Loops over rows of sums in their order, with the bytes of dw per turn. */
type Nest = readonly { readonly count: number; readonly step: number }[];

/** Some channels of x, whose sums a task computes for a panel of outputs. */
interface Unit {
  readonly sections: readonly Section[];
  readonly nest: Nest;
}

interface Design {
  readonly layer: ConvolutionLayer;
  readonly instructions: Instructions;
  /** Vectors of outputs of a panel. */
  readonly vectors: 1 | 2;
  /** Panels of all groups. */
  readonly panels: number;
  /** Units of a group, bytes of x from one to the next, and channels of a unit. */
  readonly units: number;
  readonly unitStep: number;
  readonly unitChannels: number;
  readonly unit: Unit;
  /** The last unit, if it has fewer channels. */
  readonly lastUnit?: Unit;
  /** Rows and columns of dy. All pixels are one row if x and dy have no gaps. */
  readonly size: readonly [rows: number, columns: number];
  /** Images of a part, and parts. The sums of parts are added at the end. */
  readonly perPart: number | "all";
  readonly parts: number;
}

/** Tasks that are enough for several threads. */
const LEAST_TASKS = 16;

/** Multiply-adds of a task, about 5 ms: the caller's thread yields between tasks. */
const MOST_WORK = 100e6;

function designOf(layer: ConvolutionLayer, instructions: Instructions): Design {
  const { x, y, kernel, attributes, images } = layer;
  const { groups, stride } = attributes;
  const { inputs, outputs } = groupOf(layer);
  const vectors = outputs % 8 === 0 || (groups === 1 && outputs > 4) ? 2 : 1;
  const panels = Math.ceil(y.channels / (4 * vectors));
  const isPoint = kernel[0] * kernel[1] === 1;
  const isPixels = x.order === "pixels";
  const unitQuads = isPoint ? 3 : 1;
  const unitChannels = isPixels ? inputs : Math.min(4 * unitQuads, inputs);
  const units = Math.ceil(inputs / unitChannels);
  const left = inputs % unitChannels;
  const isFlat =
    isPoint &&
    stride.every((step) => step === 1) &&
    [x, y].every((each) => rowBytes(each) === pixelBytes(each) * each.width);
  const macs = macsOf(layer) * (images ?? 1);
  const wanted = Math.max(LEAST_TASKS / (panels * units), macs / (panels * units) / MOST_WORK, 1);
  const perPart = images === undefined ? "all" : Math.ceil(images / Math.min(images, Math.ceil(wanted)));
  return {
    layer,
    instructions,
    vectors,
    panels,
    units,
    unitStep: isPixels ? 0 : unitQuads * planeBytes(x),
    unitChannels,
    unit: unitOf(layer, unitChannels),
    ...(left > 0 && { lastUnit: unitOf(layer, left) }),
    size: isFlat ? [1, y.height * y.width] : [y.height, y.width],
    perPart,
    parts: perPart === "all" ? 1 : Math.ceil(images! / perPart),
  };
}

/** The rows of sums of some channels. */
function unitOf({ x, kernel: [kh, kw], attributes: { dilation } }: ConvolutionLayer, channels: number): Unit {
  const down = dilation[0] * rowBytes(x);
  const right = dilation[1] * pixelBytes(x);
  const range = (count: number) => Array.from({ length: count }, (_, at) => at);
  const tap = 4 * kh * kw;
  const channelAt = (channel: number) => Math.floor(channel / 4) * planeBytes(x) + 4 * (channel % 4);
  if (kh * kw === 1) {
    const offsets = range(channels).map((channel) => (x.order === "pixels" ? 4 * channel : channelAt(channel)));
    return { sections: [{ offsets }], nest: [{ count: channels, step: 4 }] };
  }
  const columns = range(kw).map((q) => q * right);
  if (x.order === "pixels") {
    const row = columns.flatMap((column) => range(channels).map((channel) => column + 4 * channel));
    return {
      sections: range(kh).map((p) => ({ offsets: row.map((offset) => offset + p * down) })),
      nest: [
        { count: kh * kw, step: 4 },
        { count: channels, step: tap },
      ],
    };
  }
  const row = range(channels).flatMap((channel) => columns.map((column) => channelAt(channel) + column));
  return {
    sections: range(kh).map((p) => ({ offsets: row.map((offset) => offset + p * down) })),
    nest: [
      { count: kh, step: 4 * kw },
      { count: channels, step: tap },
      { count: kw, step: 4 },
    ],
  };
}

function rowsOf({ sections }: Unit): number {
  return sections.reduce((sum, { offsets }) => sum + offsets.length, 0);
}

/** Bytes of the sums of a unit for a panel: [row][4·vectors]. */
function unitBytes({ unit, vectors }: Design): number {
  return rowsOf(unit) * vectors * 16;
}

function tiledWeightGradient(design: Design): Kernel {
  const { layer, panels, units, parts, perPart } = design;
  const tasks = parts * panels * units;
  return {
    name: `weight gradient by ${perPart} images ${formatLayer(layer)}`,
    operands,
    work: macsOf(layer),
    scratch: () => tasks * unitBytes(design),
    phases: () => [
      { function: "products", tasks },
      { function: "sums", tasks: panels },
    ],
    define(module) {
      productPhase(module, design);
      sumPhase(module, design);
    },
  };
}

const tileParameters = ["x", "dy", "sums", "images", "rows"] as const;
type TileFunction = WasmFunction<(typeof tileParameters)[number]>;

/** Pixels per turn of the innermost loop. */
const UNROLLED = 4;

/**
 * A register tile: the sums of some numbers of x times 4·`vectors` outputs, over the pixels of `rows` rows of `images`
 * images. They are added to the sums in memory.
 */
function tileFunction(
  module: ModuleBuilder,
  design: Design,
  offsets: readonly number[],
  vectors: number,
): TileFunction {
  const { layer, size } = design;
  const { x: xs, y: dys, attributes } = layer;
  const [, columns] = size;
  const step = attributes.stride[1] * pixelBytes(xs);
  return module.function(tileParameters, (body, { x, dy, sums, images, rows }) => {
    const accumulators = offsets.map(() => Array.from({ length: vectors }, () => body.local("v128")));
    body.setAll(accumulators.flat(), v128.const(0));
    const held = Array.from({ length: vectors }, () => body.local("v128"));
    const number = body.local("v128");
    const [atX, atDy] = [body.local("i32"), body.local("i32")];
    const pixels = (count: number) => {
      for (let pixel = 0; pixel < count; pixel++) {
        for (const [vector, each] of held.entries())
          body.set(each, v128.load(atDy, 16 * pixel + vector * planeBytes(dys)));
        for (const [row, offset] of offsets.entries()) {
          body.set(number, v128.loadSplat(atX, offset + pixel * step));
          for (const [vector, each] of held.entries()) body.addProduct(accumulators[row]![vector]!, number, each);
        }
      }
      body.advance(atX, count * step);
      body.advance(atDy, 16 * count);
    };
    body.times(images, () => {
      body.set(atX, x);
      body.set(atDy, dy);
      body.times(rows, () => {
        body.times(Math.floor(columns / UNROLLED), () => pixels(UNROLLED));
        if (columns % UNROLLED > 0) pixels(columns % UNROLLED);
        body.advance(atX, attributes.stride[0] * rowBytes(xs) - columns * step);
        body.advance(atDy, rowBytes(dys) - 16 * columns);
      });
      body.advance(x, imageBytes(xs));
      body.advance(dy, imageBytes(dys));
    });
    for (const [row, ofRow] of accumulators.entries()) {
      for (const [vector, accumulator] of ofRow.entries()) {
        const at = 16 * (row * design.vectors + vector);
        body.store(sums, v128.add(v128.load(sums, at), accumulator), at);
      }
    }
  });
}

/** The tiles of a unit, each with the offset of its first number of x and its first row of sums. */
interface PlacedTile {
  readonly offset: number;
  readonly row: number;
  readonly tile: TileFunction;
}

/** The functions of a module's tiles; those whose numbers of x have the same distances are one function. */
class Tiles {
  readonly #module: ModuleBuilder;
  readonly #design: Design;
  readonly #made = new Map<string, TileFunction>();

  constructor(module: ModuleBuilder, design: Design) {
    [this.#module, this.#design] = [module, design];
  }

  of({ sections }: Unit, vectors: number): readonly PlacedTile[] {
    const costs = tileCosts(this.#design.instructions, vectors === 2 ? 2 : 1);
    let row = 0;
    return sections.flatMap(({ offsets }) => {
      const sizes = split(offsets.length, costs).runs.flatMap(
        ({ pixels, count }) => Array(count).fill(pixels) as number[],
      );
      let at = 0;
      return sizes.map((size): PlacedTile => {
        const own = offsets.slice(at, at + size);
        const offset = Math.min(...own);
        const placed = {
          offset,
          row,
          tile: this.#tile(
            own.map((each) => each - offset),
            vectors,
          ),
        };
        at += size;
        row += size;
        return placed;
      });
    });
  }

  #tile(offsets: readonly number[], vectors: number): TileFunction {
    const key = `${vectors}: ${offsets.join()}`;
    const made = this.#made.get(key) ?? tileFunction(this.#module, this.#design, offsets, vectors);
    this.#made.set(key, made);
    return made;
  }
}

/** Bytes of x and dy that a task reads again and again: some of a core's second cache. */
const BLOCK_BYTES = 48 << 10;

/** Images of a block, and rows of dy of a block; one image may be several blocks. */
function blockOf({ layer, vectors, size, unitChannels }: Design): { readonly images: number; readonly rows: number } {
  const { x, y, attributes } = layer;
  const [rows] = size;
  const planes = x.order === "pixels" ? 1 : Math.ceil(unitChannels / 4);
  const row = vectors * (planeBytes(y) / y.height) + planes * attributes.stride[0] * rowBytes(x);
  const fitting = Math.max(1, Math.floor(BLOCK_BYTES / row));
  return rows === 1 || fitting >= rows
    ? { images: Math.max(1, Math.floor(fitting / y.height)), rows }
    : { images: 1, rows: fitting };
}

/** A task is a unit of x, for a panel of outputs and a part of the images. */
function productPhase(module: ModuleBuilder, design: Design): void {
  const { layer, vectors, panels, units, perPart } = design;
  const { x, y, attributes } = layer;
  const tiles = new Tiles(module, design);
  const left = quadsOf(y) % vectors; // quads of the last panel
  const ways = (unit: Unit) => ({ whole: tiles.of(unit, vectors), last: left > 0 ? tiles.of(unit, left) : undefined });
  const [whole, last] = [ways(design.unit), design.lastUnit && ways(design.lastUnit)];
  const bytes = unitBytes(design);
  phase(module, "products", operands, (body, { x: fromX, dy: fromDy, scratch, images, first, end }) => {
    body.range(first, end, (task) => {
      const unit = body.let(i32.remU(task, i32.const(units)));
      const column = body.let(i32.divU(task, i32.const(units)));
      const panel = body.let(i32.remU(column, i32.const(panels)));
      const part = i32.divU(column, i32.const(panels));
      const sums = body.let(i32.add(scratch, i32.times(task, bytes)));
      body.clear(sums, i32.const(bytes));
      const group = i32.divU(panel, i32.const(panels / attributes.groups));
      const skipped = perPart === "all" ? i32.const(0) : body.let(i32.times(part, perPart));
      const count = perPart === "all" ? images : i32.minS(i32.sub(images, skipped), i32.const(perPart));
      const channels = i32.add(
        i32.times(unit, design.unitStep),
        attributes.groups > 1 ? i32.times(group, (groupOf(layer).inputs / 4) * planeBytes(x)) : i32.const(0),
      );
      const atX = body.let(i32.add(firstTap(layer, fromX), i32.add(channels, i32.times(skipped, imageBytes(x)))));
      const ownDy = i32.add(i32.times(panel, vectors * planeBytes(y)), i32.times(skipped, imageBytes(y)));
      const atDy = body.let(i32.plus(i32.add(fromDy, ownDy), originOf(y)));
      const run = (placed: readonly PlacedTile[]) =>
        overBlocks(body, design, { x: atX, dy: atDy, images: count, sums }, placed);
      const forPanel = ({ whole: all, last: rest }: NonNullable<typeof last>) => {
        if (!rest) run(all);
        else
          body.if(
            i32.eq(panel, i32.const(panels - 1)),
            () => run(rest),
            () => run(all),
          );
      };
      if (!last) forPanel(whole);
      else
        body.if(
          i32.eq(unit, i32.const(units - 1)),
          () => forPanel(last),
          () => forPanel(whole),
        );
    });
  });
}

/** The address of the first tap of the first pixel, in the border of x. */
function firstTap({ x, attributes: { padding } }: ConvolutionLayer, pointer: I32): I32 {
  const [top, left] = padding;
  return i32.plus(pointer, originOf(x) - top * rowBytes(x) - left * pixelBytes(x));
}

interface BlockStart {
  readonly x: Local<"i32">;
  readonly dy: Local<"i32">;
  readonly images: I32;
  readonly sums: Local<"i32">;
}

/** Calls all tiles for a block, then for the next: the first tile brings a block into cache. */
function overBlocks(
  body: Body,
  design: Design,
  { x, dy, images, sums }: BlockStart,
  tiles: readonly PlacedTile[],
): void {
  const { layer, vectors, size } = design;
  const { x: xs, y: dys, attributes } = layer;
  const block = blockOf(design);
  const left = body.let(images);
  const blocks = i32.divU(i32.plus(left, block.images - 1), i32.const(block.images));
  const call = (count: I32, rows: I32, at: { readonly x: Local<"i32">; readonly dy: Local<"i32"> }) => {
    for (const { tile, offset, row } of tiles)
      body.call(tile, {
        x: i32.plus(at.x, offset),
        dy: at.dy,
        sums: i32.plus(sums, 16 * row * vectors),
        images: count,
        rows,
      });
  };
  body.times(blocks, () => {
    const count = body.let(i32.minS(left, i32.const(block.images)));
    if (block.rows >= size[0]) call(count, i32.const(size[0]), { x, dy });
    else {
      const at = { x: body.let(x), dy: body.let(dy) };
      const rows = body.let(i32.const(size[0]));
      body.times(Math.ceil(size[0] / block.rows), () => {
        call(count, i32.minS(rows, i32.const(block.rows)), at);
        body.advance(rows, -block.rows);
        body.advance(at.x, block.rows * attributes.stride[0] * rowBytes(xs));
        body.advance(at.dy, block.rows * rowBytes(dys));
      });
    }
    body.advance(x, block.images * imageBytes(xs));
    body.advance(dy, block.images * imageBytes(dys));
    body.advance(left, -block.images);
  });
}

/** Adds the sums of the parts, in order, and writes dw. A task is a panel of outputs. */
function sumPhase(module: ModuleBuilder, design: Design): void {
  const { layer, vectors, panels, units, parts, lastUnit } = design;
  const { y, kernel } = layer;
  const width = 4 * vectors;
  const taps = kernel[0] * kernel[1];
  const dwRow = 4 * groupOf(layer).inputs * taps; // bytes of an output
  const partBytes = panels * units * unitBytes(design);
  const unitNumbers = 4 * design.unitChannels * taps;
  phase(module, "sums", operands, (body, { dw, scratch, first, end }) => {
    body.range(first, end, (panel) => {
      const from = body.let(i32.add(scratch, i32.times(panel, units * unitBytes(design))));
      const start = body.let(i32.add(dw, i32.times(panel, width * dwRow)));
      const write = (outputs: number) => {
        const unit = (each: Unit) =>
          overNest(body, each.nest, start, (to) => {
            for (let vector = 0; 4 * vector < outputs; vector++) {
              const sum = body.let(v128.load(from, 16 * vector));
              const at = body.let(from);
              body.times(parts - 1, () => {
                body.advance(at, partBytes);
                body.set(sum, v128.add(sum, v128.load(at, 16 * vector)));
              });
              for (let lane = 0; lane < 4 && 4 * vector + lane < outputs; lane++)
                body.storeLane(to, sum, lane, (4 * vector + lane) * dwRow);
            }
            body.advance(from, 16 * vectors);
          });
        body.times(lastUnit ? units - 1 : units, () => {
          unit(design.unit);
          body.advance(start, unitNumbers);
        });
        if (lastUnit) unit(lastUnit);
      };
      const rest = y.channels % width;
      if (rest === 0) write(width);
      else
        body.if(
          i32.eq(panel, i32.const(panels - 1)),
          () => write(rest),
          () => write(width),
        );
    });
  });
}

function overNest(body: Body, [outer, ...inner]: Nest, start: I32, visit: (at: I32) => void): void {
  if (!outer) {
    visit(start);
    return;
  }
  const at = body.let(start);
  body.times(outer.count, () => {
    overNest(body, inner, at, visit);
    body.advance(at, outer.step);
  });
}
