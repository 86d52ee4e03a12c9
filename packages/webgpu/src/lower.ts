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
import type { Kernel } from "./kernels/kernel.ts";
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
  readonly constants: ReadonlyMap<string, Constant>;
}

/** A graph as a plan for one batch. Pure: no device is asked. Throws UnsupportedError for a graph with open parameters. */
export function lowerToPlan(graph: Graph, batch: number): Lowered {
  const dispatches: Dispatch[] = [];
  const constants = new Map<string, Constant>();
  const emit: Emit = ({ name, shape: open }, kernel, inputs, params, shape = concrete(open, batch)) => {
    const output = dispatches.length;
    const bits = Uint32Array.from([sizeOf(shape), ...kernel.params.map((each) => params[each]!)]);
    const storages = inputs.map(({ storage }) => storage);
    dispatches.push({ node: name, kernel, inputs: storages, output, shape, params: bits });
    return { storage: { kind: "value", id: output }, shape };
  };
  const lowered = lower<Operand>(graph, lowering(emit), (value) => {
    const shape = concrete(value.shape, batch);
    if (value.kind === "input") return { storage: { kind: "input", name: value.name }, shape };
    if (value.kind === "parameter")
      throw new UnsupportedError(`webgpu: ${value.name} is open; bind the graph's parameters first`);
    const name = `${value.name}:${constants.size}`; // names may repeat
    constants.set(name, value);
    return { storage: { kind: "constant", name }, shape };
  });
  const inputs = Object.entries(graph.inputs).map(([name, { shape }]) => [name, concrete(shape, batch)] as const);
  const outputs = Object.entries(graph.outputs).map(([name, value]) => [name, lowered.get(value)!] as const);
  return { plan: planOf(dispatches, Object.fromEntries(outputs)), inputs: new Map(inputs), constants };
}

type Emit = (
  node: AnyNode,
  kernel: Kernel,
  inputs: readonly Operand[],
  params: { readonly [name: string]: number },
  shape?: readonly number[],
) => Operand;

/** What each op is made of. Every number of a kernel's `params` comes from shapes and attributes. */
function lowering(emit: Emit): Lowering<Operand> {
  const alone =
    (kernel: Kernel) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      emit(node, kernel, [x], {});
  const perRow =
    (kernel: Kernel) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      emit(node, kernel, [x], { classes: x.shape[1]! });
  return {
    conv2d: (node, inputs) => convolution(emit, node, inputs, { ...node.attributes, relu: false }),
    fusedConv2d: (node, inputs) => convolution(emit, node, inputs, node.attributes),
    linear: (node, { x, weight, bias }) => {
      const asImage = (of: Operand) => ({ ...of, shape: [...of.shape, 1, 1] });
      const one = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1, relu: false } as const;
      const y = convolution(
        emit,
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
  return emit(node, kernels.conv2d, [x, weight, bias ?? weight, residual ?? weight], { ...shapes, ...steps, ...flags });
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
