import {
  type AnyNode,
  type AttributesOf,
  type Constant,
  concrete,
  type Graph,
  type InputsOf,
  type Lowering,
  lower,
  sizeOf,
  UnsupportedError,
} from "@residual/core";
import * as kernels from "./kernels/index.ts";
import { type Kernel, workgroupsFor } from "./kernels/kernel.ts";
import { type Tile, tiledConv2d } from "./kernels/tiled-conv2d.ts";
import { type Dispatch, type Plan, planOf, type Storage } from "./plan.ts";

/** Numbers, and the shape that they are seen in. */
interface Operand {
  readonly storage: Storage;
  readonly shape: readonly number[];
}

export interface Lowered {
  readonly plan: Plan;
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** By their names in the plan. */
  readonly constants: ReadonlyMap<string, Uploaded>;
}

/** A constant, and how it lies on the device. */
export interface Uploaded {
  readonly constant: Constant;
  /** Those of the tiles that it is packed for; as it is where not given. */
  readonly channels?: number;
}

/**
 * A graph as a plan for one batch, with tiles for its convolutions or without. Pure: no device is asked. Throws UnsupportedError
 * for a graph with open parameters.
 */
export function lowerToPlan(graph: Graph, batch: number, tile?: Tile): Lowered {
  const dispatches: Dispatch[] = [];
  const constants = new Map<string, Uploaded>();
  const emit: Emit = (node, kernel, inputs, params, workgroups) => {
    const output = dispatches.length;
    const shape = concrete(node.shape, batch);
    const bits = Uint32Array.from([sizeOf(shape), ...kernel.params.map((each) => params[each]!)]);
    const storages = inputs.map(({ storage }) => storage);
    const common = { node: node.name, kernel, inputs: storages, output, shape, params: bits };
    dispatches.push({ ...common, workgroups: workgroups ?? workgroupsFor(sizeOf(shape)) });
    return { storage: { kind: "value", id: output }, shape };
  };
  const lowered = lower<Operand>(graph, lowering(emit, tile && tilesOf(tile, constants)), (value) => {
    const shape = concrete(value.shape, batch);
    if (value.kind === "input") return { storage: { kind: "input", name: value.name }, shape };
    if (value.kind === "parameter")
      throw new UnsupportedError(`webgpu: ${value.name} is open; bind the graph's parameters first`);
    const name = `${value.name}:${constants.size}`; // names may repeat
    constants.set(name, { constant: value });
    return { storage: { kind: "constant", name }, shape };
  });
  const inputs = Object.entries(graph.inputs).map(([name, { shape }]) => [name, concrete(shape, batch)] as const);
  const outputs = Object.entries(graph.outputs).map(([name, value]) => [name, lowered.get(value)!] as const);
  const plan = planOf(dispatches, Object.fromEntries(outputs));
  return { plan, inputs: new Map(inputs), constants: readOf(plan, constants) };
}

/** The constants that anything reads: what is packed for tiles is not needed as it was. */
function readOf(
  { dispatches, outputs }: Plan,
  constants: ReadonlyMap<string, Uploaded>,
): ReadonlyMap<string, Uploaded> {
  const storages = [
    ...dispatches.flatMap(({ inputs }) => inputs),
    ...Object.values(outputs).map(({ storage }) => storage),
  ];
  const read = new Set(storages.flatMap((storage) => (storage.kind === "constant" ? storage.name : [])));
  return new Map([...constants].filter(([name]) => read.has(name)));
}

type Emit = (
  node: AnyNode,
  kernel: Kernel,
  inputs: readonly Operand[],
  params: { readonly [name: string]: number },
  workgroups?: Dispatch["workgroups"],
) => Operand;

/** A tile for a convolution, its kernel, and weights in its order. */
interface Tiled {
  readonly tile: Tile;
  readonly kernel: Kernel;
  readonly weight: Operand;
}

/** Undefined where the plain kernel has to do: no tile fits into a group, or the graph works the weights out itself. */
type Tiles = (weight: Operand, groups: number) => Tiled | undefined;

function tilesOf(largest: Tile, constants: Map<string, Uploaded>): Tiles {
  const made = new Map<number, Tiled["kernel"]>();
  return ({ storage, shape }, groups) => {
    const tile = tileWithin(largest, shape[0]! / groups, groups);
    if (storage.kind !== "constant" || !tile) return undefined;
    const kernel = made.get(tile.channels) ?? tiledConv2d(tile);
    made.set(tile.channels, kernel);
    const name = `${storage.name} in ${tile.channels}s`;
    constants.set(name, { ...constants.get(storage.name)!, channels: tile.channels });
    return { tile, kernel, weight: { storage: { kind: "constant", name }, shape } };
  };
}

/** The largest that divides a group's outputs; with few of them it has twice the pixels, so that loads still pay. */
function tileWithin(largest: Tile, outputsPerGroup: number, groups: number): Tile | undefined {
  if (groups === 1) return largest;
  if (largest.lanes < 8) return undefined; // SwiftShader: with these the layers of the family took minutes, and not one
  const channels = [largest.channels, 16, 8, 4].find(
    (each) => each <= largest.channels && outputsPerGroup % each === 0,
  );
  if (channels === undefined) return undefined;
  return channels < 16 ? { ...largest, channels, pixels: 2 * largest.pixels } : { ...largest, channels };
}

/** What each op is made of. Every number of a kernel's `params` comes from shapes and attributes. */
function lowering(emit: Emit, tiles: Tiles | undefined): Lowering<Operand> {
  const alone =
    (kernel: Kernel) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      emit(node, kernel, [x], {});
  const perRow =
    (kernel: Kernel) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      emit(node, kernel, [x], { classes: x.shape[1]! });
  return {
    conv2d: (node, inputs) => convolution(emit, tiles, node, inputs, { ...node.attributes, relu: false }),
    fusedConv2d: (node, inputs) => convolution(emit, tiles, node, inputs, node.attributes),
    linear: (node, { x, weight, bias }) => {
      const asImage = (of: Operand) => ({ ...of, shape: [...of.shape, 1, 1] });
      const one = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } as const;
      const y = convolution(
        emit,
        undefined,
        { ...node, shape: [...node.shape, 1, 1] },
        { x: asImage(x), weight: asImage(weight), ...(bias && { bias }) },
        one,
      );
      return { ...y, shape: y.shape.slice(0, 2) };
    },
    batchNorm: (node, { x, scale, shift, mean, variance }) =>
      emit(node, kernels.batchNorm, [x, scale, shift, mean, variance], {
        pixels: pixelsOf(x),
        channels: x.shape[1]!,
        epsilon: bitsOf(node.attributes.epsilon),
      }),
    maxPool2d: (node, { x }) => {
      const [top, left] = node.attributes.padding;
      const params = { ...windowOf(node, x), top, left, negativeInfinity: bitsOf(-Infinity) };
      return emit(node, kernels.maxPool2d, [x], params);
    },
    averagePool2d: (node, { x }) => emit(node, kernels.averagePool2d, [x], windowOf(node, x)),
    globalAveragePool: (node, { x }) => {
      const [, , h, w] = x.shape as [number, number, number, number];
      const params = { h, w, oh: 1, ow: 1, windowH: h, windowW: w, down: 1, right: 1 };
      return emit(node, kernels.averagePool2d, [x], params);
    },
    add: (node, { a, b }) => emit(node, kernels.add, [a, b], {}),
    multiply: (node, { x, gate }) => emit(node, kernels.multiply, [x, gate], { pixels: pixelsOf(x) }),
    relu: alone(kernels.relu),
    sigmoid: alone(kernels.sigmoid),
    softmax: perRow(kernels.softmax),
    logSoftmax: perRow(kernels.logSoftmax),
    flatten: (_, { x }) => ({ ...x, shape: [x.shape[0]!, sizeOf(x.shape.slice(1))] }),
    subsample: (node, { x }) => {
      const [, , h, w] = x.shape as [number, number, number, number];
      const [, , oh, ow] = node.shape as readonly number[];
      const [down, right] = node.attributes.stride;
      return emit(node, kernels.subsample, [x], { h, w, oh: oh!, ow: ow!, down, right });
    },
    padChannels: (node, { x }) =>
      emit(node, kernels.padChannels, [x], {
        pixels: pixelsOf(x),
        channels: x.shape[1]!,
        before: node.attributes.before,
        outputs: node.shape[1] as number,
      }),
  };
}

function convolution(
  emit: Emit,
  tiles: Tiles | undefined,
  node: AnyNode,
  { x, weight, bias, residual }: InputsOf<"fusedConv2d", Operand>,
  { stride, padding, dilation, groups, relu }: AttributesOf<"fusedConv2d">,
): Operand {
  const [, c, h, w] = x.shape as [number, number, number, number];
  const [o, perGroup, kh, kw] = weight.shape as [number, number, number, number];
  const [, , oh, ow] = node.shape as [number, number, number, number];
  const [[down, right], [top, left], [dilationH, dilationW]] = [stride, padding, dilation];
  const shapes = { c, h, w, o, oh, ow, kh, kw, perGroup, outputsPerGroup: o / groups };
  const steps = { down, right, top, left, dilationH, dilationW };
  const flags = { hasBias: Number(!!bias), hasResidual: Number(!!residual), relu: Number(relu) };
  const params = { ...shapes, ...steps, ...flags };
  const tiled = tiles?.(weight, groups);
  if (!tiled) return emit(node, kernels.conv2d, [x, weight, bias ?? weight, residual ?? weight], params);
  const { tile, kernel, weight: packed } = tiled;
  const blocks = Math.ceil((oh * ow) / (tile.lanes * tile.pixels));
  const workgroups = [Math.ceil(o / tile.channels), blocks, x.shape[0]!] as const;
  return emit(node, kernel, [x, packed, bias ?? packed, residual ?? packed], params, workgroups);
}

interface Windowed {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
}

function windowOf(node: AnyNode & { readonly attributes: Windowed }, x: Operand) {
  const [, , h, w] = x.shape as [number, number, number, number];
  const [, , oh, ow] = node.shape as [number, number, number, number];
  const { window, stride } = node.attributes;
  return { h, w, oh, ow, windowH: window[0], windowW: window[1], down: stride[0], right: stride[1] };
}

function pixelsOf({ shape }: Operand): number {
  return sizeOf(shape.slice(2));
}

/** A number's bits, as float32. */
function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}
