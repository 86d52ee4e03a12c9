import {
  type AnyNode,
  concrete,
  type Graph,
  type InputsOf,
  type Lowering,
  lower,
  mapValues,
  nodesOf,
  UnsupportedError,
  type Value,
  type Variable,
  variablesOf,
} from "@residual/core";
import type { Layer } from "../decide/layer.ts";
import { type DeviceProfile, plainProfile } from "../decide/profiles.ts";
import { choose, chooseWeightGradient, strategiesFor } from "../decide/strategies.ts";
import type { Strategy } from "../decide/strategy.ts";
import type { WeightGradientStrategy } from "../decide/weight-gradient.ts";
import { plainStrategy } from "../kernels/conv2d.ts";
import * as kernels from "../kernels/index.ts";
import type { Kernel, KernelIn } from "../kernels/kernel.ts";
import { batchNormRows } from "./batch-norm.ts";
import { type Builder, builderOf, type Operand, type Uploaded } from "./builder.ts";
import type { Convolution } from "./convolution.ts";
import { bitsOf, elementwiseRows } from "./elementwise.ts";
import type { TryConvolve } from "./input-gradient.ts";
import { four, layoutOf } from "./layout.ts";
import { normEndsOf } from "./norm-ends.ts";
import { dense } from "./packing.ts";
import { type Dispatch, keyOf, type Plan, planOf, type Repack, resultsOf } from "./plan.ts";
import { scheduleOf } from "./schedule.ts";
import { gradientRows, optimizerRows, sumRows, type TryWeightGradient } from "./training.ts";

/** A graph lowered for one batch size: the plan, and the constants, variables and kernels that the plan names. */
export interface Lowered {
  readonly plan: Plan;
  /** The shapes of the graph's inputs. */
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** By their names in the plan. */
  readonly constants: ReadonlyMap<string, Uploaded>;
  readonly variables: ReadonlyMap<string, Variable>;
  /** By their names in the plan. */
  readonly kernels: ReadonlyMap<string, Kernel>;
  readonly layers: readonly ChosenLayer[];
  readonly parts: readonly ChosenPart[];
  /** The strategies of gradients by weights. */
  readonly weightGradients: readonly WeightGradientStrategy[];
}

/** A convolution that is a part of a gradient, and its strategy. */
type ChosenPart = Pick<ChosenLayer, "layer" | "strategy">;

/** A convolution or linear layer of a graph, and the strategy that computes it. */
export interface ChosenLayer {
  readonly node: AnyNode;
  readonly layer: Layer;
  readonly strategy: Strategy;
  readonly inputs: Convolution["inputs"];
  readonly output: Operand;
  /** Its dispatches in the plan: [first, end). */
  readonly first: number;
  readonly end: number;
}

/**
 * Lowers a graph to a plan for one batch size, with the strategies that are chosen for a profile. Pure: no device is
 * needed. Throws UnsupportedError for a graph with open parameters.
 */
export function lowerToPlan(graph: Graph, batch: number, profile: DeviceProfile = plainProfile()): Lowered {
  const dispatches: Dispatch[] = [];
  const repacks = new Map<string, Repack>();
  const constants = new Map<string, Uploaded>();
  const kernels = new Map<string, Kernel>();
  const layers: ChosenLayer[] = [];
  const parts: ChosenPart[] = [];
  const variables = new Map(variablesOf(graph).map((variable) => [variable.name, variable]));
  const builder = builderOf({ dispatches, repacks, constants, variables, kernels }, profile.memory);
  const weightGradients = new Set<WeightGradientStrategy>();
  const updated = new Set(graph.updates.map(({ variable }) => variable.name));
  /**
   * Winograd's algorithm is not used for weights that a step updates. To transform them takes as long as it saves, and
   * gradients would be three times as far off (docs/decisions/2026-11-30-training-on-webgpu.md).
   */
  const profileFor = ({ weight: { storage } }: Convolution["inputs"]): DeviceProfile => {
    const changes = storage.kind === "variable" && updated.has(storage.name);
    return changes ? { ...profile, strategies: profile.strategies.filter((each) => !each.winograd) } : profile;
  };
  const convolve = (node: AnyNode, layer: Layer, inputs: Convolution["inputs"]) => {
    const strategy = choose(profileFor(inputs), layer);
    const first = dispatches.length;
    const output = strategy.emit(builder, { node: node.name, layer, inputs });
    layers.push({ node, layer, strategy, inputs, output, first, end: dispatches.length });
    return output;
  };
  const tryConvolve: TryConvolve = (node, layer, inputs) => {
    const usable = profileFor(inputs);
    const fast = { ...usable, strategies: usable.strategies.filter((each) => each !== plainStrategy) };
    const [strategy] = strategiesFor(fast, layer).length > 0 ? [choose(fast, layer)] : [];
    if (!strategy) return undefined;
    const output = strategy.emit(builder, { node: node.name, layer, inputs });
    parts.push({ layer, strategy });
    return output;
  };
  const tryWeightGradient: TryWeightGradient = (gradient) => {
    const strategy = chooseWeightGradient(profile, gradient.layer);
    if (strategy) weightGradients.add(strategy);
    return strategy?.emit(builder, gradient);
  };
  const lowered = lower<Operand>(
    graph,
    lowering(builder, graph, { convolve, tryConvolve, tryWeightGradient }, (node) => concrete(node.shape, batch)),
    (value) => {
      const shape = concrete(value.shape, batch);
      if (value.kind === "parameter")
        throw new UnsupportedError(`webgpu: ${value.name} is open; bind the graph's parameters first`);
      if (value.kind !== "constant") return { storage: { kind: value.kind, name: value.name }, shape, order: "host" };
      const name = `${value.name}:${constants.size}`; // names of constants may repeat
      constants.set(name, { source: value.source, packing: dense(shape), memory: "buffers" });
      return { storage: { kind: "constant", name }, shape, order: "host" };
    },
  );
  const inHostOrder = (value: Value) => builder.inHostOrder(lowered.get(value)!);
  const results = {
    outputs: mapValues<Value, Operand>(graph.outputs, inHostOrder),
    updates: graph.updates.map(({ variable, value }) => ({ variable: variable.name, ...inHostOrder(value) })),
  };
  const read = new Set([...dispatches.flatMap(({ inputs }) => inputs), ...resultsOf(results)].map(keyOf));
  const isRead = ([name]: readonly [name: string, Uploaded]) => read.has(keyOf({ kind: "constant", name }));
  const order = scheduleOf(
    dispatches,
    Object.values(results.outputs).map(({ storage }) => storage),
  );
  const places = new Map(order.map((dispatch, place) => [dispatch, place]));
  return {
    plan: planOf({ dispatches: order.map((i) => dispatches[i]!), ...results, repacks: [...repacks.values()] }),
    inputs: new Map(Object.entries(graph.inputs).map(([name, { shape }]) => [name, concrete(shape, batch)])),
    constants: new Map([...constants].filter(isRead)),
    variables,
    kernels,
    layers: layers.map((layer) => ({
      ...layer,
      first: places.get(layer.first)!,
      end: places.get(layer.end - 1)! + 1,
    })),
    parts,
    weightGradients: [...weightGradients],
  };
}

/** Emits convolutions and their gradients by strategies. */
interface Convolve {
  readonly convolve: (node: AnyNode, layer: Layer, inputs: Convolution["inputs"]) => Operand;
  readonly tryConvolve: TryConvolve;
  readonly tryWeightGradient: TryWeightGradient;
}

/** The dispatches of each op. Every number of a kernel's `params` comes from shapes and attributes. */
function lowering(
  builder: Builder,
  graph: Graph,
  { convolve, tryConvolve, tryWeightGradient }: Convolve,
  shapeOf: (node: AnyNode) => readonly number[],
): Lowering<Operand> {
  const { emit } = builder;
  const ready = builder.interleaved;
  const simple =
    (kernel: KernelIn) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      emit(node.name, kernel, [ready(x)], x.shape);
  const perRow =
    (kernel: KernelIn) =>
    (node: AnyNode, { x: given }: { readonly x: Operand }) => {
      const x = ready(given);
      const { images, channels: classes, quads } = layoutOf(x.shape);
      const params = { classes, width: 4 * quads };
      const sums = emit(`${node.name}, sums`, kernels.rowSums, [x], [images, 3], { params, isFloat32: true });
      return emit(node.name, kernel, [x, sums], x.shape);
    };
  const window = (
    kernel: KernelIn,
    node: AnyNode,
    x: Operand,
    params: { readonly [name: string]: number },
    shape = shapeOf(node),
  ) => {
    const [h, w, oh, ow] = [...x.shape.slice(2), ...shape.slice(2)] as [number, number, number, number];
    return emit(node.name, kernel, [ready(x)], shape, { params: { h, w, oh, ow, ...params } });
  };
  const elementwise = elementwiseRows(builder, shapeOf);
  const norms = batchNormRows(builder, nodesOf(graph));
  const ends = normEndsOf(graph);
  const held = new Map<AnyNode, { readonly [input: string]: Operand }>(); // operands of nodes that a later one computes
  /** Keeps the operands of a node that a later one computes. Nothing reads the answer. */
  const hold = (node: AnyNode, inputs: { readonly [input: string]: Operand }): Operand => {
    held.set(node, inputs);
    return { storage: { kind: "value", id: -1 }, shape: shapeOf(node), order: "device" };
  };
  /** A norm with the add and the ReLU after it, for the last of these nodes. */
  const normalized = (node: AnyNode, inputs: { readonly [input: string]: Operand }): Operand | undefined => {
    const end = ends.ends.get(node);
    if (!end) return undefined;
    const { norm, sum, residual, relu } = end;
    const addends = sum === node ? inputs : sum && held.get(sum)!;
    const own = held.get(norm) as InputsOf<"batchNorm", Operand>;
    const { epsilon } = norm.attributes;
    return norms.normalize(node.name, { ...own, residual: residual && addends?.[residual] }, { epsilon, relu });
  };
  return {
    ...elementwise,
    ...norms.rows,
    ...sumRows(builder, shapeOf, norms.sumOfChannels),
    ...gradientRows(builder, tryConvolve, tryWeightGradient, shapeOf),
    ...optimizerRows(builder),
    conv2d: (node, inputs) =>
      convolve(node, layerOf(inputs, shapeOf(node), { ...node.attributes, relu: false }), inputs),
    fusedConv2d: (node, inputs) => convolve(node, layerOf(inputs, shapeOf(node), node.attributes), inputs),
    linear: (node, { x, weight, bias }) => {
      const asImage = (of: Operand) => ({ ...of, shape: [...of.shape, 1, 1] });
      const inputs = { x: asImage(x), weight: asImage(weight), ...(bias && { bias }) };
      const shape = shapeOf(node);
      return { ...convolve(node, layerOf(inputs, [...shape, 1, 1], pointwise), inputs), shape };
    },
    add(node, inputs) {
      if (ends.held.has(node)) return hold(node, inputs);
      return normalized(node, inputs) ?? elementwise.add(node, inputs);
    },
    batchNorm(node, inputs) {
      if (ends.held.has(node)) return hold(node, inputs);
      const { x, scale, shift, mean, variance } = inputs;
      const { epsilon } = node.attributes;
      if (mean.storage.kind === "value" || variance.storage.kind === "value")
        return norms.normalize(node.name, inputs, { epsilon, relu: false });
      return emit(
        node.name,
        kernels.batchNorm,
        [x, scale, shift, mean, variance].map((each) => ready(each)),
        x.shape,
        { params: { epsilon: bitsOf(epsilon) } },
      );
    },
    maxPool2d: (node, { x }) => {
      const [top, left] = node.attributes.padding;
      return window(kernels.maxPool2d, node, x, {
        ...windowOf(node.attributes),
        top,
        left,
        negativeInfinity: bitsOf(-Infinity),
      });
    },
    averagePool2d: (node, { x }) => window(kernels.averagePool2d, node, x, windowOf(node.attributes)),
    globalAveragePool: (node, { x }) => {
      const [, , h, w] = x.shape as [number, number, number, number];
      const params = { oh: 1, ow: 1, windowH: h, windowW: w, down: 1, right: 1 };
      return window(kernels.averagePool2d, node, x, params);
    },
    multiply: (node, { x, gate }) => {
      const { pixels: gatePixels } = layoutOf(gate.shape);
      return emit(node.name, kernels.multiply, [ready(x), ready(gate)], x.shape, { params: { gatePixels } });
    },
    relu: (node, inputs) => normalized(node, inputs) ?? simple(kernels.relu)(node, inputs),
    sigmoid: simple(kernels.sigmoid),
    softmax: perRow(kernels.softmax),
    logSoftmax: perRow(kernels.logSoftmax),
    flatten: (node, { x }) => {
      const shape = shapeOf(node);
      const { pixels, quads } = layoutOf(x.shape);
      if (x.order === "host" || pixels === 1) return { ...x, shape };
      return emit(node.name, kernels.flatten, [x], shape, { params: { xPixels: pixels, xQuads: quads } });
    },
    subsample: (node, { x }) => {
      const [down, right] = node.attributes.stride;
      return window(kernels.subsample, node, x, { down, right });
    },
    padChannels: (node, { x }) => {
      const { channels: xChannels, quads } = layoutOf(x.shape);
      const params = { xChannels, xQuads: quads, before: node.attributes.before };
      return emit(node.name, kernels.padChannels, [ready(x)], shapeOf(node), { params });
    },
  };
}

const pointwise = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } as const;

function layerOf(inputs: Convolution["inputs"], y: readonly number[], attributes: Layer["attributes"]): Layer {
  const { x, weight, bias, residual } = inputs;
  const addends = { hasBias: bias !== undefined, hasResidual: residual !== undefined };
  return { x: four(x.shape), weight: four(weight.shape), y: four(y), ...addends, attributes };
}

interface Windowed {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
}

function windowOf({ window: [windowH, windowW], stride: [down, right] }: Windowed) {
  return { windowH, windowW, down, right };
}
