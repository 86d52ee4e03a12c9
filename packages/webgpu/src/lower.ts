import { type AnyNode, concrete, type Graph, type Lowering, lower, UnsupportedError } from "@residual/core";
import { type Builder, builderOf, type Operand, type Uploaded } from "./builder.ts";
import type { Choice } from "./choice.ts";
import { convolution } from "./convolution.ts";
import * as kernels from "./kernels/index.ts";
import type { KernelIn } from "./kernels/kernel.ts";
import { dense, isDense, layoutOf } from "./layout.ts";
import { type Dispatch, type Plan, planOf } from "./plan.ts";

export interface Lowered {
  readonly plan: Plan;
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** By their names in the plan. */
  readonly constants: ReadonlyMap<string, Uploaded>;
}

/**
 * A graph as a plan for one batch, with the kernels that were chosen for a device. Pure: no device is asked. Throws UnsupportedError
 * for a graph with open parameters.
 */
export function lowerToPlan(graph: Graph, batch: number, choice: Choice = {}): Lowered {
  const dispatches: Dispatch[] = [];
  const constants = new Map<string, Uploaded>();
  const builder = builderOf(dispatches, constants, choice.memory ?? "buffers");
  const lowered = lower<Operand>(
    graph,
    lowering(builder, choice, (node) => concrete(node.shape, batch)),
    (value) => {
      const shape = concrete(value.shape, batch);
      if (value.kind === "input") return { storage: { kind: "input", name: value.name }, shape, order: "host" };
      if (value.kind === "parameter")
        throw new UnsupportedError(`webgpu: ${value.name} is open; bind the graph's parameters first`);
      if (value.kind === "variable") throw new UnsupportedError(`webgpu: ${value.name} is a variable; onnx runs it`);
      const name = `${value.name}:${constants.size}`; // names may repeat
      constants.set(name, { source: value.source, packing: dense(shape), memory: "buffers" });
      return { storage: { kind: "constant", name }, shape, order: "host" };
    },
  );
  const inputs = Object.entries(graph.inputs).map(([name, { shape }]) => [name, concrete(shape, batch)] as const);
  const outputs = Object.entries(graph.outputs).map(
    ([name, value]) => [name, asHosts(builder, lowered.get(value)!)] as const,
  );
  const plan = planOf(dispatches, Object.fromEntries(outputs));
  return { plan, inputs: new Map(inputs), constants: readOf(plan, constants) };
}

/** The constants that anything reads: what is packed is not needed as it was. */
function readOf({ dispatches, outputs }: Plan, constants: ReadonlyMap<string, Uploaded>) {
  const storages = [
    ...dispatches.flatMap(({ inputs }) => inputs),
    ...Object.values(outputs).map(({ storage }) => storage),
  ];
  const read = new Set(storages.flatMap((storage) => (storage.kind === "constant" ? storage.name : [])));
  return new Map([...constants].filter(([name]) => read.has(name)));
}

/** Outputs leave in the host's order. */
function asHosts({ emit, memory }: Builder, operand: Operand): Operand {
  const { shape, order } = operand;
  const layout = layoutOf(shape);
  const { images, pixels, channels, quads } = layout;
  if (order === "host" || (memory === "buffers" && isDense(layout))) return operand;
  const grid = { images: 1, channels: 4, quads: 1, pixels: Math.ceil((images * channels * pixels) / 4) };
  const params = { c: channels, xPixels: pixels, xQuads: quads };
  return emit("to the host's order", kernels.unpack, [operand], shape, { params, grid, order: "host" });
}

/** What each op is made of. Every number of a kernel's `params` comes from shapes and attributes. */
function lowering(builder: Builder, choice: Choice, shapeOf: (node: AnyNode) => readonly number[]): Lowering<Operand> {
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
      const sums = emit(`${node.name}, sums`, kernels.rowSums, [x], [images, 2], { params, isWide: true });
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
  return {
    conv2d: (node, inputs) => {
      const attributes = { ...node.attributes, relu: false };
      return convolution(builder, choice, { node: node.name, shape: shapeOf(node), inputs, attributes });
    },
    fusedConv2d: (node, inputs) =>
      convolution(builder, choice, { node: node.name, shape: shapeOf(node), inputs, attributes: node.attributes }),
    linear: (node, { x, weight, bias }) => {
      const asImage = (of: Operand) => ({ ...of, shape: [...of.shape, 1, 1] });
      const attributes = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } as const;
      const inputs = { x: asImage(x), weight: asImage(weight), ...(bias && { bias }) };
      const shape = shapeOf(node);
      const y = convolution(builder, choice, { node: node.name, shape: [...shape, 1, 1], inputs, attributes });
      return { ...y, shape };
    },
    batchNorm: (node, { x, scale, shift, mean, variance }) =>
      emit(
        node.name,
        kernels.batchNorm,
        [x, scale, shift, mean, variance].map((each) => ready(each)),
        x.shape,
        {
          params: { epsilon: bitsOf(node.attributes.epsilon) },
        },
      ),
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
    add: (node, { a, b }) => emit(node.name, kernels.add, [ready(a), ready(b)], a.shape),
    multiply: (node, { x, gate }) => emit(node.name, kernels.multiply, [ready(x), ready(gate)], x.shape),
    relu: simple(kernels.relu),
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

interface Windowed {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
}

function windowOf({ window: [windowH, windowW], stride: [down, right] }: Windowed) {
  return { windowH, windowW, down, right };
}

/** A number's bits, as float32. */
function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}
