import type { AttributesOf, InputsOf } from "@residual/core";
import type { Builder, Operand } from "./builder.ts";
import { type Choice, type Chosen, cheapest, type Transformed, transformCost, type Work } from "./choice.ts";
import * as kernels from "./kernels/index.ts";
import { type KernelIn, MOST_WORKGROUPS, type Products } from "./kernels/kernel.ts";
import { quadConv2d, quadOrder } from "./kernels/quad-conv2d.ts";
import { SHARED, sharedConv2d, sharedOrder, sharedParts, sumSplits } from "./kernels/shared-conv2d.ts";
import { type Strip, stripConv2d, stripOrder } from "./kernels/strip-conv2d.ts";
import { type Tile, tiledConv2d, tileOrder } from "./kernels/tiled-conv2d.ts";
import { forWinograd, type Winograd } from "./kernels/winograd.ts";
import { four, layoutOf, type WeightOrder } from "./layout.ts";
import { inOrder } from "./packing.ts";
import { tunedChoice } from "./tuning.ts";

/** A convolution, and what its output is. */
interface Request {
  readonly node: string;
  readonly shape: readonly number[];
  readonly inputs: InputsOf<"fusedConv2d", Operand>;
  readonly attributes: AttributesOf<"fusedConv2d">;
}

/** What is added behind a convolution, as every kernel of one takes it. */
function epilogueOf({ inputs: { bias, residual }, attributes: { relu } }: Request) {
  return { hasBias: Number(!!bias), hasResidual: Number(!!residual), relu: Number(relu) };
}

/** Bias and residual; a kernel binds something in the place of one that there is not. */
function addends(
  { interleaved }: Builder,
  { bias, residual }: Request["inputs"],
  instead: Operand,
): readonly [bias: Operand, residual: Operand] {
  return [bias ? interleaved(bias) : instead, residual ? interleaved(residual) : instead];
}

/** Weights as a kernel reads them. */
function inWeightOrder({ packed }: Builder, weight: Operand, order: WeightOrder): Operand {
  return packed(weight, inOrder(order, four(weight.shape), weight.columns));
}

/** The cheapest kernel that there is for it; the plain one where no other fits. */
export function convolution(builder: Builder, whole: Choice, request: Request): Operand {
  const choice = tunedChoice(whole, request);
  const atLeast = choice.sharedAtLeast;
  const way =
    atLeast === undefined
      ? (emitColumnsAsChannels(builder, choice, request) ?? emitTiled(builder, choice, request))
      : emitSharedMemory(builder, atLeast, choice, request);
  return way ?? (choice.inFours && emitFours(builder, request)) ?? emitPlain(builder, request);
}

/** The first convolution of a network, whose input has few channels. */
function emitColumnsAsChannels(builder: Builder, choice: Choice, request: Request): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const { x, weight } = inputs;
  const { stride, padding, dilation, groups } = attributes;
  const [o, c, kh, kw] = four(weight.shape);
  if (!choice.cost || x.storage.kind !== "input" || groups !== 1 || c >= 4 || kw === 1) return undefined;
  const [n, , h, w] = four(x.shape);
  const [ow, [, right], [top, left], [dilationH, dilationW]] = [shape[3]!, stride, padding, dilation];
  const rows = builder.emit(`${node}, rows`, kernels.packRows, [x], [n, c * kw, h, ow], {
    params: { c, h, w, kw, ow, right, left, dilationW },
  });
  const asRows: Operand = { ...weight, shape: [o, c * kw, kh, 1], columns: kw };
  const inRow = { stride: [stride[0], 1], padding: [top, 0, padding[2], 0], dilation: [dilationH, 1] } as const;
  return emitTiled(builder, choice, {
    ...request,
    inputs: { ...inputs, x: rows, weight: asRows },
    attributes: { ...attributes, ...inRow },
  });
}

function emitPlain(builder: Builder, request: Request): Operand {
  const weight = builder.interleaved(request.inputs.weight);
  const [o, perGroup] = four(weight.shape);
  const channels = {
    perGroup,
    weightQuads: layoutOf(weight.shape).quads,
    outputsPerGroup: o / request.attributes.groups,
  };
  return emitPerFour(builder, request, { kernel: kernels.conv2d, weight, channels });
}

/** Four channels at a time, if the channels of each group are whole fours. */
function emitFours(builder: Builder, request: Request): Operand | undefined {
  if (!isWhole(request)) return undefined;
  const { quadsPerGroup: perGroup, outputsPerGroup } = workOf(request);
  const { weight: given } = request.inputs;
  const weight = inWeightOrder(builder, given, quadOrder(given.shape));
  return emitPerFour(builder, request, { kernel: quadConv2d, weight, channels: { perGroup, outputsPerGroup } });
}

interface OnePerFour {
  readonly kernel: KernelIn;
  readonly weight: Operand;
  readonly channels: { readonly [param: string]: number };
}

/** A kernel that runs once for four outputs of a pixel. */
function emitPerFour(builder: Builder, request: Request, { kernel, weight, channels }: OnePerFour): Operand {
  const { node, shape, inputs, attributes } = request;
  const { stride, padding, dilation } = attributes;
  const [, , h, w] = four(inputs.x.shape);
  const [, , kh, kw] = four(inputs.weight.shape);
  const [[down, right], [top, left], [dilationH, dilationW]] = [stride, padding, dilation];
  const x = builder.interleaved(inputs.x);
  const [bias, residual] = addends(builder, inputs, weight);
  const place = { h, w, ow: shape[3]!, kh, kw, down, right, top, left, dilationH, dilationW };
  const params = { xQuads: layoutOf(x.shape).quads, ...channels, ...place, ...epilogueOf(request) };
  return builder.emit(node, kernel, [x, weight, bias, residual], shape, { params });
}

/** Winograd's algorithm where it pays, or tiles or strips. */
function emitTiled(builder: Builder, choice: Choice, request: Request): Operand | undefined {
  const way = choice.cost && cheapest(choice, workOf(request));
  if (!way || !isWhole(request) || !hasWholeFours(request)) return undefined;
  const ways = isWinograd(request) ? winogradWays(choice, request) : [];
  const best = ways.toSorted((a, b) => a.ns - b.ns)[0];
  return best && best.ns < way.ns
    ? emitWinograd(builder, request, best.winograd, best.tile)
    : emitDirect(builder, way, request);
}

function winogradWays(choice: Choice, request: Request) {
  const work = workOf(request);
  const { shape, inputs } = request;
  const [, c] = four(inputs.x.shape);
  return (choice.winograd ?? []).flatMap((winograd) => {
    const { total: tiles } = tilesOf(winograd, shape);
    const product = cheapest(choice, productsOf(work, winograd, tiles));
    if (!product?.tile) return [];
    const { tile, ns } = product;
    const of: Transformed = { tiles, channels: [c, work.outputs], lanes: tile.lanes };
    return [{ winograd, tile, ns: ns + transformCost(winograd, choice.cost!, of) }];
  });
}

function productsOf(work: Work, { inputs }: Winograd, tiles: number): Work {
  return { ...work, images: 1, size: [1, tiles], window: [1, 1], positions: inputs ** 2 };
}

/** Through the memory of workgroups, by Winograd's algorithm where that saves a third of the steps. Not for groups. */
function emitSharedMemory(builder: Builder, atLeast: number, choice: Choice, request: Request): Operand | undefined {
  const { attributes, shape } = request;
  if (attributes.groups !== 1) return undefined;
  const { size, images, window } = workOf(request);
  const blocksOf = (pixels: number) => Math.ceil(pixels / SHARED);
  const steps = window[0] * window[1] * blocksOf(images * size[0] * size[1]);
  const ways = (isWinograd(request) ? (choice.winograd ?? []) : []).map((winograd) => ({
    winograd,
    steps: winograd.inputs ** 2 * blocksOf(tilesOf(winograd, shape).total),
  }));
  const best = ways.toSorted((a, b) => a.steps - b.steps)[0];
  if (best && best.steps * 1.5 < steps) return emitWinograd(builder, request, best.winograd, undefined);
  return emitDirect(builder, { atLeast, products: choice.products }, request);
}

function isWinograd({ inputs: { weight }, attributes: { groups, stride, dilation } }: Request): boolean {
  const [, , kh, kw] = four(weight.shape);
  return groups === 1 && kh === 3 && kw === 3 && [...stride, ...dilation].every((step) => step === 1);
}

/** Whether the channels of each group are whole fours. */
function isWhole({ inputs: { weight }, attributes: { groups } }: Request): boolean {
  const [outputs, perGroup] = four(weight.shape);
  return groups === 1 || (perGroup % 4 === 0 && (outputs / groups) % 4 === 0);
}

/** Whether all outputs are in whole fours: tiles do not see to the rest of the last one. */
function hasWholeFours({ shape }: Request): boolean {
  return shape[1]! % 4 === 0;
}

function workOf({ inputs: { x, weight }, attributes: { groups, stride, dilation }, shape }: Request): Work {
  const [outputs, perGroup, kh, kw] = four(weight.shape);
  const [images, , oh, ow] = four(shape);
  const quadsPerGroup = groups > 1 ? perGroup / 4 : layoutOf(x.shape).quads;
  return {
    outputs,
    outputsPerGroup: outputs / groups,
    quadsPerGroup,
    images,
    size: [oh, ow],
    window: [kh, kw],
    down: stride[0],
    dilation: Math.max(...dilation),
    positions: 1,
  };
}

/** What a product is worked out by: a tile, or shared memory with so many workgroups at least. */
type Direct =
  | (Chosen & { readonly atLeast?: never; readonly products?: never })
  | {
      readonly atLeast: number;
      readonly products?: Products | undefined;
      readonly tile?: never;
      readonly strip?: never;
    };

function emitDirect(builder: Builder, way: Direct, request: Request): Operand | undefined {
  if (way.strip) return emitStrips(builder, way.strip, request);
  const { tile } = way;
  const { shape, inputs, attributes } = request;
  const weight = inWeightOrder(builder, inputs.weight, orderFor(inputs.weight.shape, tile));
  const { stride, padding, dilation } = attributes;
  const x = builder.interleaved(inputs.x);
  const [, , h, w] = four(x.shape);
  const [, , kh, kw] = four(inputs.weight.shape);
  const [, , oh, ow] = four(shape);
  const [[down, right], [top, left], [dilationH, dilationW]] = [stride, padding, dilation];
  const place = { h, w, plane: oh * ow, ow, kh, kw, down, right, top, left, dilationH, dilationW };
  const whole = {
    ...request,
    inputs: { ...inputs, x, weight },
    tile,
    products: way.products,
    work: workOf(request),
    place,
  };
  const split = way.atLeast === undefined ? undefined : splitReduction(builder, whole, way.atLeast);
  return split ?? emitProduct(builder, whole);
}

function orderFor(shape: readonly number[], tile: Tile | undefined): WeightOrder {
  return tile ? tileOrder(shape, tile) : sharedOrder(shape);
}

/** A product with too few workgroups for a GPU, its slabs dealt out; undefined where it has enough. */
function splitReduction(builder: Builder, request: Product, atLeast: number): Operand | undefined {
  const { node, shape, work, inputs } = request;
  const pixels = work.images * work.size[0] * work.size[1];
  const workgroups = Math.ceil(work.outputs / SHARED) * Math.ceil(pixels / SHARED);
  const slabs = work.window[0] * work.window[1] * Math.ceil(work.quadsPerGroup / 4);
  const splits = Math.min(8, slabs, Math.floor(atLeast / workgroups));
  if (splits < 2) return undefined;
  const { bias: _, residual: __, ...bare } = inputs;
  const parts = emitProduct(builder, {
    ...request,
    node: `${node}, parts`,
    shape: [splits * shape[0]!, ...shape.slice(1)],
    inputs: bare,
    attributes: { ...request.attributes, relu: false },
    splits,
  });
  if (!parts) return undefined;
  const [bias, residual] = addends(builder, inputs, parts);
  return builder.emit(node, sumSplits, [parts, bias, residual], shape, { params: { splits, ...epilogueOf(request) } });
}

interface Product extends Request {
  /** Shared memory where not given. */
  readonly tile: Tile | undefined;
  readonly products?: Products | undefined;
  readonly splits?: number;
  readonly work: Work;
  readonly place: { readonly [name: string]: number };
}

/** A dispatch of tiles, of operands that are in the order for it. */
function emitProduct(builder: Builder, request: Product): Operand | undefined {
  const { node, shape, inputs, tile, work, place, products, splits = 1 } = request;
  const channels = tile?.channels ?? SHARED;
  const { x, weight } = inputs;
  const [bias, residual] = addends(builder, inputs, weight);
  const { outputs, outputsPerGroup, images, size, quadsPerGroup: perGroup, positions } = work;
  const pixels = images * size[0] * size[1];
  const [xQuads, quads, blocks] = [layoutOf(x.shape).quads, Math.ceil(outputs / 4), Math.ceil(outputs / channels)];
  const params = {
    pixels,
    perGroup,
    outputsPerGroup,
    xQuads,
    quads,
    channels: outputs,
    xStep: pixels * xQuads,
    weightStep: blocks * perGroup * channels,
    splits,
    yStep: pixels * quads,
    ...place,
    ...epilogueOf(request),
  };
  const perBlock = tile ? tile.lanes * tile.pixels : SHARED;
  const workgroups = [blocks, Math.ceil(pixels / perBlock), Math.max(positions, splits)] as const;
  if (Math.max(...workgroups) > MOST_WORKGROUPS) return undefined;
  const shared = (splits > 1 ? sharedParts : sharedConv2d)(products);
  return builder.emit(node, tile ? tiledConv2d(tile) : shared, [x, weight, bias, residual], shape, {
    params,
    workgroups,
    isWide: splits > 1,
  });
}

function emitStrips(builder: Builder, strip: Strip, request: Request): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const weight = inWeightOrder(builder, inputs.weight, stripOrder(inputs.weight.shape, strip));
  const x = builder.interleaved(inputs.x);
  const [bias, residual] = addends(builder, inputs, weight);
  const { outputs, outputsPerGroup, images, size, window, quadsPerGroup: perGroup } = workOf(request);
  const [[oh, ow], [, kw]] = [size, window];
  const [, , h, w] = four(x.shape);
  const [[, right], [top, left]] = [attributes.stride, attributes.padding];
  const across = Math.ceil(ow / strip.lanes);
  const counts = { quads: Math.ceil(outputs / 4), xQuads: layoutOf(x.shape).quads };
  const params = {
    oh,
    ow,
    across,
    h,
    w,
    kw,
    right,
    top,
    left,
    perGroup,
    outputsPerGroup,
    ...counts,
    ...epilogueOf(request),
  };
  const workgroups = [Math.ceil(outputs / strip.channels), across * Math.ceil(oh / strip.rows), images] as const;
  if (Math.max(...workgroups) > MOST_WORKGROUPS) return undefined;
  return builder.emit(node, stripConv2d(strip), [x, weight, bias, residual], shape, { params, workgroups });
}

function tilesOf({ outputs }: Winograd, shape: readonly number[]) {
  const [n, , oh, ow] = four(shape);
  const [tilesH, tilesW] = [Math.ceil(oh / outputs), Math.ceil(ow / outputs)];
  return { tilesH, tilesW, total: n * tilesH * tilesW };
}

function emitWinograd(
  builder: Builder,
  request: Request,
  winograd: Winograd,
  tile: Tile | undefined,
): Operand | undefined {
  const { node, shape, inputs, attributes } = request;
  const matrix = orderFor([...inputs.weight.shape.slice(0, 2), 1, 1], tile);
  const weight = builder.packed(inputs.weight, forWinograd(winograd, inputs.weight.shape, matrix));
  const x = builder.interleaved(inputs.x);
  const [, c, h, w] = four(x.shape);
  const [, o, oh, ow] = four(shape);
  const { tilesH, tilesW, total } = tilesOf(winograd, shape);
  const positions = winograd.inputs ** 2;
  const [top, left] = attributes.padding;
  const seen = builder.emit(`${node}, tiles`, winograd.inputTransform, [x], [positions * total, c], {
    params: { h, w, top, left, tilesH, tilesW },
    grid: { images: 1, channels: c, quads: layoutOf(x.shape).quads, pixels: total },
  });
  const aRow = { h: 1, w: total, plane: total, ow: total, kh: 1, kw: 1, top: 0, left: 0 };
  const products = emitProduct(builder, {
    node: `${node}, products`,
    shape: [positions * total, o],
    inputs: { x: seen, weight },
    attributes: { ...attributes, relu: false },
    tile,
    work: productsOf(workOf(request), winograd, total),
    place: { ...aRow, down: 1, right: 1, dilationH: 1, dilationW: 1 },
  });
  if (!products) return undefined;
  const [bias, residual] = addends(builder, inputs, products);
  return builder.emit(node, winograd.outputTransform, [products, bias, residual], shape, {
    params: { oh, ow, tilesH, tilesW, ...epilogueOf(request) },
    grid: { images: 1, channels: o, quads: Math.ceil(o / 4), pixels: total },
  });
}
