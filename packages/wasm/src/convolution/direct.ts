import { type I32, i32, type Local, v128 } from "../encode/expression.ts";
import type { Body, Instructions } from "../encode/function.ts";
import { ModuleBuilder } from "../encode/module.ts";
import { type Kernel, phase } from "../kernels/kernel.ts";
import { overPixels, planeOf, planeTask } from "../kernels/planes.ts";
import {
  hasBorder,
  imageBytes,
  inOrder,
  type Layout,
  originOf,
  pixelBytes,
  planeBytes,
  quadsOf,
  rowBytes,
} from "../layout.ts";
import { type ConvolutionLayer, formatLayer, groupOf, macsOf, operandsOf } from "./layer.ts";
import { type Panels, panelBytes, panelCount, panelPacking } from "./panels.ts";
import type { Strategy } from "./strategy.ts";
import { type Part, type Tile, type TileFunction, type TilePixel, tileFunction } from "./tile.ts";
import { type Bands, bandsOf, blockCount, type Split, split, type TileCosts, tileCosts } from "./tiling.ts";

/**
 * Taps that are unrolled at the most; with more, one row of them is. The code of a tap takes some 200 bytes, and all 36 of
 * a 3 × 3 are no faster than 12.
 */
const UNROLLED = 16;

/** How the sums of a layer are laid out in registers, and what that takes. */
interface Design {
  readonly layer: ConvolutionLayer;
  readonly instructions: Instructions;
  readonly panels: Panels;
  /** Vectors of a panel. */
  readonly vectors: 1 | 2 | 8;
}

/**
 * A convolution as it is written, in register tiles: for a part of the rows, for each panel of outputs, for each tile.
 * x has its padding in its border. Offered for groups of a multiple of 4 channels in and out, or one group of any.
 */
export function direct(layer: ConvolutionLayer, instructions: Instructions): readonly Strategy[] {
  const { groups } = layer.attributes;
  const { inputs, outputs } = groupOf(layer);
  if (groups > 1 && (inputs % 4 !== 0 || outputs % 4 !== 0)) return [];
  const orders = groups === 1 && inputs % 4 !== 0 ? (["pixels", "quads"] as const) : (["quads"] as const);
  return orders.map((order) => directIn(order, layer, instructions));
}

function directIn(order: Panels["order"], layer: ConvolutionLayer, instructions: Instructions): Strategy {
  const { groups, padding } = layer.attributes;
  const { inputs, outputs } = groupOf(layer);
  const isRow = layer.y.height * layer.y.width === 1 && groups === 1;
  const vectors = isRow && outputs > 8 ? 8 : outputs % 8 === 0 || (groups === 1 && outputs > 4) ? 2 : 1;
  const panels: Panels = {
    outputs: layer.y.channels,
    channels: inputs,
    taps: layer.kernel[0] * layer.kernel[1],
    width: 4 * vectors,
    order,
  };
  const isStridedPoint = panels.taps === 1 && layer.attributes.stride.some((step) => step > 1);
  const gathered = isStridedPoint && order === "quads" && padding.every((pixels) => pixels === 0);
  const design: Design = { layer, instructions, panels, vectors };
  return {
    name: `direct ${vectors * 4} ${order}`,
    wants: { order, border: padding },
    cost: costOf(design),
    packing: panelPacking(panels),
    emit: (placed) => (gathered ? gatheredKernel(design, placed) : kernelOf({ ...design, layer: placed })),
  };
}

function costsOf({ layer, instructions, vectors }: Design): TileCosts {
  return tileCosts(instructions, sharesLoads(layer, vectors) ? "shared" : vectors);
}

function costOf(design: Design): number {
  const { layer, panels } = design;
  const { y } = layer;
  const { cost } = bandsOf(y.height, y.width, costsOf(design));
  const arithmetic = panelCount(panels) * panels.channels * panels.taps * cost;
  const { time } = blockCount(y.height, trafficOf({ layer, panels }));
  return arithmetic + time / 3; // most of the traffic hides behind the arithmetic
}

function trafficOf({ layer: { x, attributes }, panels }: Pick<Design, "layer" | "panels">) {
  return {
    weights: panelCount(panels) * panelBytes(panels),
    image: imageBytes({ ...x, order: "quads" }),
    panels: panelCount(panels) / attributes.groups,
  };
}

/**
 * With one vector of weights, as for groups of four channels, loads set the time: pixels side by side share those of a
 * kernel of three columns or fewer, all of whose weights are in registers.
 */
function sharesLoads({ kernel: [, columns], attributes }: ConvolutionLayer, vectors: Design["vectors"]): boolean {
  return vectors === 1 && columns >= 2 && columns <= 3 && attributes.groups > 1;
}

/** Of what x reads for a tile: parts of taps, in the order of the packed weights. */
function partsOf({ layer, panels, vectors }: Design): readonly Part[] {
  const { x, kernel, attributes } = layer;
  const [kh, kw] = kernel;
  const down = attributes.dilation[0] * rowBytes(x);
  const right = attributes.dilation[1] * pixelBytes(x);
  const row = (lanes: number) =>
    Array.from({ length: kw * lanes }, (_, at) => Math.floor(at / lanes) * right + 4 * (at % lanes));
  const whole = (lanes: number) => Array.from({ length: kh }, (_, p) => row(lanes).map((tap) => p * down + tap)).flat();
  const rows = { count: kh, step: down };
  if (panels.order === "pixels") return [{ start: 0, loops: [rows], taps: row(panels.channels) }];
  const quads = Math.floor(panels.channels / 4);
  const plane = planeBytes(x);
  const isShared = sharesLoads(layer, vectors);
  const isUnrolled = !isShared && 4 * kh * kw <= UNROLLED;
  const parts: Part[] = [];
  if (kh * kw === 1 && quads % 2 === 0 && quads > 0) {
    const taps = [...whole(4), ...whole(4).map((tap) => plane + tap)];
    parts.push({ start: 0, loops: [{ count: quads / 2, step: 2 * plane }], taps });
  } else if (quads > 0) {
    const loops = [{ count: quads, step: plane }, ...(isUnrolled ? [] : [rows])];
    parts.push({ start: 0, loops, taps: isUnrolled ? whole(4) : row(4), ...(isShared && { columns: kw }) });
  }
  const left = panels.channels % 4;
  if (left > 0)
    parts.push({ start: quads * plane, loops: isUnrolled ? [] : [rows], taps: isUnrolled ? whole(left) : row(left) });
  return parts;
}

/** From one pixel of y to the next, right and down, in each of what a tile touches. */
function stepsOf({ x, y, residual, attributes: { stride } }: ConvolutionLayer) {
  const right = { x: stride[1] * pixelBytes(x), y: 16, residual: 16 };
  const down = { x: stride[0] * rowBytes(x), y: rowBytes(y), residual: residual ? rowBytes(residual) : 0 };
  return { right, down };
}

function times({ x, y, residual }: TilePixel, by: number): TilePixel {
  return { x: x * by, y: y * by, residual: residual * by };
}

function sum(a: TilePixel, b: TilePixel): TilePixel {
  return { x: a.x + b.x, y: a.y + b.y, residual: a.residual + b.residual };
}

/** The functions of a module's tiles, each made once. */
class Tiles {
  readonly #module: ModuleBuilder;
  readonly #design: Design;
  readonly #parts: readonly Part[];
  readonly #made = new Map<string, TileFunction>();

  constructor(module: ModuleBuilder, design: Design) {
    this.#module = module;
    this.#design = design;
    this.#parts = partsOf(design);
  }

  /** `height` × `width` pixels of `vectors` vectors of channels. */
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

/** Pointers that a task moves over the image. */
interface Cursor {
  readonly x: Local<"i32">;
  readonly y: Local<"i32">;
  readonly residual: Local<"i32">;
}

function move(body: Body, cursor: Cursor, by: TilePixel): void {
  body.advance(cursor.x, by.x);
  body.advance(cursor.y, by.y);
  body.advance(cursor.residual, by.residual);
}

/** How a task covers its part of an image: the parts there are, and the statements that do one. */
interface Cover {
  readonly blocks: number;
  readonly run: (
    body: Body,
    block: I32,
    cursor: Cursor,
    call: (tile: TileFunction, cursor: Cursor, count: number | I32) => void,
    vectors: number,
  ) => void;
}

/** Whether all pixels may be taken for one row: each output sees its own pixel, and nothing lies between rows. */
function isFlat({ panels, layer: { x, y, residual, attributes } }: Design): boolean {
  const isPoint = panels.taps === 1 && attributes.stride.every((step) => step === 1);
  return isPoint && [x, y, ...(residual ? [residual] : [])].every((each) => each.order === "quads" && !hasBorder(each));
}

function kernelOf(design: Design): Kernel {
  const { layer, panels } = design;
  const { blocks } = coverOf(design);
  return {
    name: `direct ${formatLayer(layer)}`,
    operands: operandsOf(layer),
    work: macsOf(layer),
    phases: () => [{ function: "run", tasks: blocks * panelCount(panels) }],
    emit(target) {
      const module = new ModuleBuilder(target);
      emitRun(module, design, "x");
      return module.encode();
    },
  };
}

/** The tasks of a kernel: a panel of outputs for a part of all images. */
function emitRun(module: ModuleBuilder, design: Design, source: "x" | "scratch"): void {
  const { layer, panels, vectors } = design;
  const { x, y, residual, attributes } = layer;
  const count = panelCount(panels);
  const perGroup = count / attributes.groups;
  const tiles = new Tiles(module, design);
  const cover = coverOf(design, tiles);
  const [top, left] = attributes.padding;
  const origin = originOf(x) - top * rowBytes(x) - left * pixelBytes(x);
  phase(module, "run", operandsOf(layer), (body, values) => {
    body.range(values.first!, values.end!, (task) => {
      const block = body.let(i32.divU(task, i32.const(count)));
      const panel = body.let(i32.sub(task, i32.times(block, count)));
      const weight = body.let(i32.add(values.weight!, i32.times(panel, panelBytes(panels))));
      const bias = layer.hasBias ? body.let(i32.add(values.bias!, i32.times(panel, 16 * vectors))) : i32.const(0);
      const group = i32.times(i32.divU(panel, i32.const(perGroup)), (panels.channels / 4) * planeBytes(x));
      const from = values[source]!;
      const firstX = i32.plus(attributes.groups > 1 ? i32.add(from, group) : from, origin);
      const planesOf = (layout: Layout, pointer: I32) =>
        i32.plus(i32.add(pointer, i32.times(panel, vectors * planeBytes(layout))), originOf(layout));
      const image = {
        x: body.let(firstX),
        y: body.let(planesOf(y, values.y!)),
        residual: body.let(residual ? planesOf(residual, values.residual!) : i32.const(0)),
      };
      const cursor = { x: body.local("i32"), y: body.local("i32"), residual: body.local("i32") };
      const call = (tile: TileFunction, at: Cursor, repeats: number | I32) =>
        body.call(tile, { ...at, weight, bias, count: typeof repeats === "number" ? i32.const(repeats) : repeats });
      const part = (width: number) => cover.run(body, block, cursor, call, width);
      const left = quadsOf(y) % vectors;
      body.times(values.images!, () => {
        for (const each of ["x", "y", "residual"] as const) body.set(cursor[each], image[each]);
        if (left === 0) part(vectors);
        else
          body.if(
            i32.eq(panel, i32.const(count - 1)),
            () => part(left),
            () => part(vectors),
          );
        move(body, image, {
          x: imageBytes(x),
          y: imageBytes(y),
          residual: residual ? imageBytes(residual) : 0,
        });
      });
    });
  });
}

function coverOf(design: Design, tiles?: Tiles): Cover {
  return isFlat(design) ? flatCover(design, tiles) : rowCover(design, tiles);
}

/** All pixels in one row, since neither x nor y has a border: parts of so many of the largest tile, then what is left. */
function flatCover(design: Design, tiles: Tiles | undefined): Cover {
  const { layer } = design;
  const { y } = layer;
  const { runs }: Split = split(y.height * y.width, costsOf(design));
  const [largest, ...rest] = runs;
  const { blocks: wanted } = blockCount(largest!.count, trafficOf(design));
  const perBlock = Math.ceil(largest!.count / wanted);
  const blocks = Math.ceil(largest!.count / perBlock);
  const { right } = stepsOf(layer);
  return {
    blocks,
    run(body, block, cursor, call, width) {
      const first = body.let(i32.times(block, perBlock));
      for (const each of ["x", "y", "residual"] as const)
        body.advance(cursor[each], i32.times(first, largest!.pixels * right[each]));
      const isLast = i32.eq(block, i32.const(blocks - 1));
      const rows = i32.minS(i32.sub(i32.const(largest!.count), first), i32.const(perBlock));
      call(tiles!.of(1, largest!.pixels, width), cursor, rows);
      if (rest.length === 0) return;
      body.if(isLast, () => {
        const done = body.let(i32.sub(i32.const(largest!.count), first));
        for (const each of ["x", "y", "residual"] as const)
          body.advance(cursor[each], i32.times(done, largest!.pixels * right[each]));
        for (const { pixels, count } of rest) {
          call(tiles!.of(1, pixels, width), cursor, count);
          move(body, cursor, times(right, pixels * count));
        }
      });
    },
  };
}

/** Row by row; tiles of two rows where those are cheaper, and then an image is one part. */
function rowCover(design: Design, tiles: Tiles | undefined): Cover {
  const { layer } = design;
  const { y } = layer;
  const { bands }: Bands = bandsOf(y.height, y.width, costsOf(design));
  const [first] = bands;
  const isOneKind = bands.length === 1;
  const { blocks: wanted } = isOneKind ? blockCount(first!.count, trafficOf(design)) : { blocks: 1 };
  const perBlock = Math.ceil(first!.count / wanted);
  const { right, down } = stepsOf(layer);
  return {
    blocks: Math.ceil(first!.count / perBlock),
    run(body, block, cursor, call, width) {
      const at = { x: body.local("i32"), y: body.local("i32"), residual: body.local("i32") };
      const start = body.let(i32.times(block, perBlock));
      for (const each of ["x", "y", "residual"] as const)
        body.advance(cursor[each], i32.times(start, first!.height * down[each]));
      for (const { height, count, tiles: inRow } of bands) {
        const rows = isOneKind ? i32.minS(i32.sub(i32.const(count), start), i32.const(perBlock)) : i32.const(count);
        body.times(rows, () => {
          for (const each of ["x", "y", "residual"] as const) body.set(at[each], cursor[each]);
          for (const [index, { width: columns, count: repeats }] of inRow.entries()) {
            call(tiles!.of(height, columns, width), at, repeats);
            if (index < inRow.length - 1) move(body, at, times(right, columns * repeats));
          }
          move(body, cursor, times(down, height));
        });
      }
    },
  };
}

/** A 1 × 1 that steps over pixels: those it sees are brought together first, so that tiles read them in a row. */
function gatheredKernel(design: Design, layer: ConvolutionLayer): Kernel {
  const { x, y, attributes } = layer;
  const { stride } = attributes;
  const seen: Layout = { ...inOrder(x, "quads"), height: y.height, width: y.width };
  const dense: ConvolutionLayer = { ...layer, x: seen, attributes: { ...attributes, stride: [1, 1] } };
  const kernel = kernelOf({ ...design, layer: dense });
  const operands = operandsOf(layer);
  return {
    ...kernel,
    name: `gathered ${formatLayer(layer)}`,
    scratch: (images) => images * imageBytes(seen),
    phases: (images) => [{ function: "gather", tasks: images * quadsOf(x) }, ...kernel.phases(images)],
    emit(target) {
      const module = new ModuleBuilder(target);
      phase(module, "gather", operands, (body, { x: from, scratch, first, end }) =>
        body.range(first!, end!, (task) => {
          const at = planeTask(body, task, quadsOf(x));
          const planes = [
            { at: planeOf(from!, x, at), layout: x, stride },
            { at: planeOf(scratch!, seen, at), layout: seen },
          ];
          overPixels(body, [y.height, y.width], planes, ([pixel, to]) => body.store(to!, v128.load(pixel!)));
        }),
      );
      emitRun(module, { ...design, layer: dense }, "scratch");
      return module.encode();
    },
  };
}
