import {
  type AnyNode,
  type Constant,
  concrete,
  type Graph,
  type Lowering,
  lower,
  type Numbers,
  sizeOf,
  UnsupportedError,
} from "@residual/core";
import type { Choice } from "./choice.ts";
import { convolution } from "./convolution.ts";
import * as kernels from "./kernels/index.ts";
import { isFloat16, type Kernel, type KernelIn, type Memory, widened, workgroupsFor } from "./kernels/kernel.ts";
import { dense, interleaved, isDense, type Layout, layoutOf, lengthOf, type Packing } from "./layout.ts";
import { type Dispatch, type Plan, planOf, type Storage } from "./plan.ts";

/** Numbers, the shape that they are seen in, and whose order they lie in (layout.ts). */
export interface Operand {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly order: "host" | "device";
}

export interface Lowered {
  readonly plan: Plan;
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** By their names in the plan. */
  readonly constants: ReadonlyMap<string, Uploaded>;
}

/** A constant, and the numbers that go to the device for it. */
export interface Uploaded {
  readonly constant: Constant;
  readonly packing: Packing;
  readonly memory: Memory;
  /** What is packed of it. */
  readonly view: (tensor: Numbers) => Numbers;
}

/** What dispatches are made with, one after the other. */
export interface Builder {
  readonly memory: Memory;
  /** A dispatch whose output has a shape. `params` are the kernel's; those that all plain kernels have are filled in. */
  readonly emit: (
    node: string,
    kernel: KernelIn,
    inputs: readonly Operand[],
    shape: readonly number[],
    options?: Emitted,
  ) => Operand;
  /** In the device's order. */
  readonly interleaved: (operand: Operand) => Operand;
  /** A constant in an order of its own; undefined where the operand is none. */
  readonly packed: (operand: Operand, packing: Packing) => Operand;
  /** A constant seen otherwise, before it is packed. */
  readonly reordered: (operand: Operand, how: string, shape: readonly number[], view: Uploaded["view"]) => Operand;
}

interface Emitted {
  readonly params?: { readonly [name: string]: number };
  /** Those of plain kernels where not given. */
  readonly workgroups?: Dispatch["workgroups"];
  /** What a plain kernel runs over, where that is not the output's layout. */
  readonly grid?: Layout;
  /** The order of the output. */
  readonly order?: Operand["order"];
  /** Whether the kernel writes float32 in any memory. */
  readonly isWide?: boolean;
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
      const name = `${value.name}:${constants.size}`; // names may repeat
      constants.set(name, { constant: value, view: (tensor) => tensor, packing: dense(shape), memory: "buffers" });
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

function builderOf(dispatches: Dispatch[], constants: Map<string, Uploaded>, memory: Memory): Builder {
  const packedInputs = new Map<string, Operand>();
  const known = (storage: Storage): Uploaded & { readonly name: string } => {
    const uploaded = storage.kind === "constant" ? constants.get(storage.name) : undefined;
    if (storage.kind !== "constant" || !uploaded) throw new TypeError(`${storage.kind}: only constants are packed`);
    return { ...uploaded, name: storage.name };
  };
  const builder: Builder = {
    memory,
    emit(node, kernelIn, inputs, shape, { params = {}, workgroups, grid, order = "device", isWide = false } = {}) {
      const kernel = kernelIn(memory);
      const output = dispatches.length;
      const layout = grid ?? layoutOf(shape);
      const { images, quads } = layout;
      const all: { readonly [name: string]: number } = { planes: images * quads, ...layout, ...params };
      dispatches.push({
        node,
        kernel,
        inputs: inputs.map(({ storage }) => storage),
        output,
        shape,
        ...(order === "host"
          ? { memory: "buffers", bytes: 16 * Math.ceil(sizeOf(shape) / 4) }
          : inDevicesOrder(shape, isWide ? widened(memory) : memory)),
        params: Uint32Array.from(kernel.params, (name) => paramOf(all, name, kernel)),
        workgroups: workgroups ?? workgroupsFor(layout),
      });
      return { storage: { kind: "value", id: output }, shape, order };
    },
    interleaved(operand) {
      const { storage, shape, order } = operand;
      const layout = layoutOf(shape);
      if (storage.kind === "value" || order === "device") return operand;
      if (memory === "buffers" && isDense(layout)) return { ...operand, order: "device" };
      if (storage.kind === "constant") return builder.packed(operand, interleaved(shape));
      const key = `${storage.name} ${shape.join("×")}`;
      const known = packedInputs.get(key) ?? builder.emit(storage.name, kernels.pack, [operand], shape);
      packedInputs.set(key, known);
      return known;
    },
    packed({ storage, shape }, packing) {
      const { constant, view, name: original } = known(storage);
      const seen = shape.join() === constant.tensor.shape.join() ? "" : ` as ${shape.join("×")}`;
      const name = `${original} ${packing.name}${seen}`;
      constants.set(name, { constant, view, packing, memory });
      return { storage: { kind: "constant", name }, shape, order: "device" };
    },
    reordered({ storage }, how, shape, view) {
      const { name: original, ...before } = known(storage);
      const name = `${original} ${how}`;
      constants.set(name, { ...before, view: (tensor) => view(before.view(tensor)) });
      return { storage: { kind: "constant", name }, shape, order: "host" };
    },
  };
  return builder;
}

function inDevicesOrder(shape: readonly number[], memory: Memory): Pick<Dispatch, "memory" | "bytes"> {
  return { memory, bytes: (isFloat16(memory) ? 2 : 4) * lengthOf(layoutOf(shape)) };
}

/** A param that nobody gave would be 0 on the device, and wrong in silence. */
function paramOf(all: { readonly [name: string]: number }, name: string, kernel: Kernel): number {
  const value = all[name];
  if (value === undefined) throw new TypeError(`${kernel.name} is given no ${name}`);
  return value;
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
