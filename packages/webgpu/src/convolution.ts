import type { AttributesOf, InputsOf } from "@residual/core";
import { type Choice, cheapest, transformCost, type Work } from "./choice.ts";
import * as kernels from "./kernels/index.ts";
import { MOST_WORKGROUPS } from "./kernels/kernel.ts";
import { packedForTiles, type Tile, tiledConv2d } from "./kernels/tiled-conv2d.ts";
import { transformedForTiles, type Winograd } from "./kernels/winograd.ts";
import { layoutOf, type Numbers } from "./layout.ts";
import type { Builder, Operand } from "./lower.ts";

/** A convolution, and what its output is. */
interface Request {
  readonly node: string;
  readonly shape: readonly number[];
  readonly inputs: InputsOf<"fusedConv2d", Operand>;
  readonly attributes: AttributesOf<"fusedConv2d">;
}

/** What is added behind a convolution, as every kernel of one takes it. */
function endOf({ inputs: { bias, residual }, attributes: { relu } }: Request) {
  return { hasBias: Number(!!bias), hasResidual: Number(!!residual), relu: Number(relu) };
}

/** The cheapest kernel that there is for it; the plain one where no other fits, or where the graph works the weights out itself. */
export function convolution(builder: Builder, choice: Choice, request: Request): Operand {
  return inRows(builder, choice, request) ?? fast(builder, choice, request) ?? plainly(builder, request);
}

/** The first convolution of a network, whose input has few channels. */
function inRows(builder: Builder, choice: Choice, request: Request): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const { x, weight } = inputs;
  const { stride, padding, dilation, groups } = attributes;
  const [o, c, kh, kw] = weight.shape as [number, number, number, number];
  if (!choice.cost || x.storage.kind !== "input" || groups !== 1 || c >= 4 || kw === 1) return undefined;
  const [n, , h, w] = x.shape as [number, number, number, number];
  const [ow, [, right], [top, left], [dilationH, dilationW]] = [shape[3]!, stride, padding, dilation];
  if (weight.storage.kind !== "constant") return undefined;
  const rows = builder.emit(`${node}, rows`, kernels.packRows, [x], [n, c * kw, h, ow], {
    params: { c, h, w, kw, ow, right, left, dilationW },
  });
  const rowShape = [o, c * kw, kh, 1];
  const asRows = builder.reordered(weight, "in rows", rowShape, (tensor) => rowsOf(tensor, rowShape));
  return direct(builder, choice, {
    ...request,
    inputs: { ...inputs, x: rows, weight: asRows },
    attributes: {
      ...attributes,
      stride: [stride[0], 1],
      padding: [top, 0, padding[2], 0],
      dilation: [dilationH, 1],
    },
  });
}

/** Weights [O, C, KH, KW] as [O, KW·C, KH, 1], the columns of a kernel before the channels. */
function rowsOf({ data, shape }: Numbers, rowShape: readonly number[]): Numbers {
  const [o, c, kh, kw] = shape as [number, number, number, number];
  const to = new Float64Array(data.length);
  for (let out = 0, from = 0; out < o; out++) {
    for (let k = 0; k < c; k++) {
      for (let a = 0; a < kh; a++) {
        for (let b = 0; b < kw; b++, from++) to[((out * kw + b) * c + k) * kh + a] = data[from]!;
      }
    }
  }
  return { dtype: "float64", shape: rowShape, data: to };
}

function plainly({ emit, interleaved }: Builder, request: Request): Operand {
  const { node, shape, inputs, attributes } = request;
  const { stride, padding, dilation, groups } = attributes;
  const [, , h, w] = inputs.x.shape as [number, number, number, number];
  const [o, perGroup, kh, kw] = inputs.weight.shape as [number, number, number, number];
  const ow = shape[3]!;
  const [[down, right], [top, left], [dilationH, dilationW]] = [stride, padding, dilation];
  const [x, weight] = [interleaved(inputs.x), interleaved(inputs.weight)];
  const [bias, residual] = [inputs.bias, inputs.residual].map((each) => (each ? interleaved(each) : weight));
  const widths = { xQuads: layoutOf(x.shape).quads, weightQuads: layoutOf(weight.shape).quads };
  const shapes = { h, w, ow, kh, kw, perGroup, outputsPerGroup: o / groups };
  const steps = { down, right, top, left, dilationH, dilationW };
  const params = { ...widths, ...shapes, ...steps, ...endOf(request) };
  return emit(node, kernels.conv2d, [x, weight, bias!, residual!], shape, { params });
}

/** Winograd's algorithm where it pays, or tiles. */
function fast(builder: Builder, choice: Choice, request: Request): Operand | undefined {
  const { inputs, attributes, shape } = request;
  const { stride, dilation, groups } = attributes;
  const [o, c, kh, kw] = inputs.weight.shape as [number, number, number, number];
  const plainWork = workOf(request);
  if (!choice.cost || !plainWork) return undefined;
  const tiled = cheapest(choice, plainWork);
  if (!tiled) return undefined;
  const fits = groups === 1 && kh === 3 && kw === 3 && [...stride, ...dilation].every((step) => step === 1);
  const ways = (fits ? (choice.winograd ?? []) : []).flatMap((winograd) => {
    const tiles = tilesOf(winograd, shape);
    const work = { ...plainWork, pixels: tiles.total, taps: 1, positions: winograd.inputs ** 2 };
    const product = cheapest(choice, work);
    if (!product) return [];
    const of = { tiles: tiles.total, channels: [c, o], lanes: product.tile.lanes } as const;
    return [{ winograd, tile: product.tile, cycles: product.cycles + transformCost(winograd, choice.cost!, of) }];
  });
  const best = ways.toSorted((a, b) => a.cycles - b.cycles)[0];
  if (best && best.cycles < tiled.cycles) return byWinograd(builder, request, best.winograd, best.tile);
  return direct(builder, choice, request);
}

/** Undefined where channels of a group are no whole fours. */
function workOf({ inputs: { x, weight }, attributes: { groups }, shape }: Request): Work | undefined {
  const [outputs, perGroup, kh, kw] = weight.shape as [number, number, number, number];
  const outputsPerGroup = outputs / groups;
  if (groups > 1 && (perGroup % 4 !== 0 || outputsPerGroup % 4 !== 0)) return undefined;
  const [n, , oh, ow] = shape as [number, number, number, number];
  const pixels = n * oh * ow;
  const quadsPerGroup = groups > 1 ? perGroup / 4 : layoutOf(x.shape).quads;
  return { outputs, outputsPerGroup, quadsPerGroup, pixels, taps: kh * kw, positions: 1 };
}

function direct(builder: Builder, choice: Choice, request: Request): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const work = workOf(request);
  const tile = work && cheapest(choice, work)?.tile;
  const pack = (each: Numbers) => packedForTiles(each, tile!);
  const weight = tile && builder.packed(inputs.weight, `in tiles ${tile.channels}×${tile.depth}`, pack);
  if (!weight) return undefined;
  const { stride, padding, dilation } = attributes;
  const x = builder.interleaved(inputs.x);
  const [, , h, w] = x.shape as [number, number, number, number];
  const [, , kh, kw] = inputs.weight.shape as [number, number, number, number];
  const [, , oh, ow] = shape as [number, number, number, number];
  const [[down, right], [top, left], [dilationH, dilationW]] = [stride, padding, dilation];
  const place = { h, w, plane: oh * ow, ow, kh, kw, down, right, top, left, dilationH, dilationW };
  return product(builder, { ...request, tile, work, operands: { x, weight }, place, node });
}

interface Product extends Request {
  readonly tile: Tile;
  readonly work: Work;
  readonly operands: { readonly x: Operand; readonly weight: Operand };
  readonly place: { readonly [name: string]: number };
}

/** A dispatch of tiles. */
function product({ emit, interleaved }: Builder, request: Product): Operand | undefined {
  const { node, shape, inputs, tile, work, operands, place } = request;
  const { x, weight } = operands;
  const [bias, residual] = [inputs.bias, inputs.residual].map((each) => (each ? interleaved(each) : weight));
  const { outputs, outputsPerGroup, pixels, quadsPerGroup: perGroup, positions } = work;
  const [xQuads, quads, blocks] = [layoutOf(x.shape).quads, Math.ceil(outputs / 4), Math.ceil(outputs / tile.channels)];
  const steps = {
    xStep: pixels * xQuads,
    weightStep: blocks * perGroup * tile.channels, // of one tap, in fours
    yStep: pixels * quads,
  };
  const params = {
    pixels,
    perGroup,
    outputsPerGroup,
    xQuads,
    quads,
    channels: outputs,
    ...steps,
    ...place,
    ...endOf(request),
  };
  const workgroups = [blocks, Math.ceil(pixels / (tile.lanes * tile.pixels)), positions] as const;
  if (Math.max(...workgroups) > MOST_WORKGROUPS) return undefined;
  return emit(node, tiledConv2d(tile), [x, weight, bias!, residual!], shape, { params, workgroups });
}

function tilesOf({ outputs }: Winograd, shape: readonly number[]) {
  const [n, , oh, ow] = shape as [number, number, number, number];
  const [tilesH, tilesW] = [Math.ceil(oh / outputs), Math.ceil(ow / outputs)];
  return { tilesH, tilesW, total: n * tilesH * tilesW };
}

function byWinograd(builder: Builder, request: Request, winograd: Winograd, tile: Tile): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const work = workOf(request)!;
  const weight = builder.packed(inputs.weight, `${winograd.name} in tiles ${tile.channels}×${tile.depth}`, (each) =>
    transformedForTiles(winograd, each, tile),
  );
  if (!weight) return undefined;
  const x = builder.interleaved(inputs.x);
  const [, c, h, w] = x.shape as [number, number, number, number];
  const [, o, oh, ow] = shape as [number, number, number, number];
  const { tilesH, tilesW, total } = tilesOf(winograd, shape);
  const positions = winograd.inputs ** 2;
  const [top, left] = attributes.padding;
  const seen = builder.emit(`${node}, tiles`, winograd.inputTransform, [x], [positions * total, c], {
    params: { h, w, top, left, tilesH, tilesW },
    grid: { images: 1, channels: c, quads: layoutOf(x.shape).quads, pixels: total },
  });
  const place = {
    h: 1,
    w: total,
    plane: total,
    ow: total,
    kh: 1,
    kw: 1,
    down: 1,
    right: 1,
    top: 0,
    left: 0,
    dilationH: 1,
    dilationW: 1,
  };
  const products = product(builder, {
    ...request,
    inputs: { x: seen, weight },
    attributes: { ...attributes, relu: false },
    shape: [positions * total, o],
    tile,
    work: { ...work, pixels: total, taps: 1, positions },
    operands: { x: seen, weight },
    place,
    node: `${node}, products`,
  })!;
  const [bias, residual] = [inputs.bias, inputs.residual].map((each) => (each ? builder.interleaved(each) : products));
  return builder.emit(node, winograd.outputTransform, [products, bias!, residual!], shape, {
    params: { oh, ow, tilesH, tilesW, ...endOf(request) },
    grid: { images: 1, channels: o, quads: Math.ceil(o / 4), pixels: total },
  });
}
