import {
  type AnyNode,
  type Graph,
  type InputsOf,
  is,
  type Lowering,
  lower,
  mapValues,
  nodesOf,
  type Pads,
  UnsupportedError,
  type Value,
  variablesOf,
} from "@residual/core";
import { Builder, type Operand, sizesOf } from "./builder.ts";
import type { ConvolutionLayer } from "./convolution/layer.ts";
import { choose, type StrategyOptions } from "./convolution/strategies.ts";
import { flatten, padChannels, subsample, zeroPad2d } from "./kernels/convert.ts";
import * as elementwise from "./kernels/elementwise.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { averagePool2d, globalAveragePool, maxPool2d } from "./kernels/pools.ts";
import { logSoftmax, softmax } from "./kernels/rows.ts";
import { type ImageLayout, inOrder, layoutOf, NO_BORDER, widest } from "./layout.ts";
import { Context } from "./lowering/context.ts";
import { convolve, layerOf } from "./lowering/convolution.ts";
import { elementwiseRows } from "./lowering/elementwise.ts";
import { fusionsOf } from "./lowering/fusions.ts";
import { gradientRows, transposedLayer } from "./lowering/gradients.ts";
import { normRows } from "./lowering/norms.ts";
import { optimizerRows } from "./lowering/optimizers.ts";
import type { Plan, Step } from "./plan.ts";

/** A graph as a plan. Pure: does not depend on the engine. Throws UnsupportedError for a graph with open parameters. */
export function lowerToPlan(graph: Graph, choice: StrategyOptions): Plan {
  const builder = new Builder();
  const inputs: { [name: string]: number } = {};
  const variables = variablesOf(graph).map((variable) => ({
    variable,
    operand: builder.given(variable.shape, "model"),
  }));
  const lowered = lower<Operand>(
    graph,
    lowering(new Context(builder, choice, fusionsOf(graph), bordersOf(graph, choice))),
    (leaf) => {
      switch (leaf.kind) {
        case "parameter":
          throw new UnsupportedError(`wasm: ${leaf.name} is open; bind the graph's parameters first`);
        case "constant":
          return builder.constant(leaf);
        case "variable":
          return variables.find(({ variable }) => variable === leaf)!.operand;
        case "input": {
          const operand = builder.given(leaf.shape, "run");
          if ("place" in operand.from) inputs[leaf.name] = operand.from.place;
          return operand;
        }
      }
    },
  );
  const inHostOrder = (value: Value) => ({
    place: builder.in(lowered.get(value)!, layoutOf(sizesOf(value.shape), "host")),
    shape: value.shape,
  });
  const outputs = mapValues<Value, { place: number; shape: Value["shape"] }>(graph.outputs, inHostOrder);
  const updates = graph.updates.map(({ variable, value }) => ({ variable, place: inHostOrder(value).place }));
  const kept = [...Object.values(outputs), ...updates].map(({ place }) => place);
  return {
    places: builder.places,
    loads: builder.loads,
    steps: liveSteps(builder.steps, kept),
    inputs,
    variables: variables.map(({ variable, operand: { from } }) => ({
      variable,
      place: "place" in from ? from.place : -1,
    })),
    outputs,
    updates,
  };
}

/** The steps that outputs and updates depend on. */
function liveSteps(steps: readonly Step[], results: readonly number[]): readonly Step[] {
  const needed = new Set(results);
  const live = steps.toReversed().filter(({ reads, writes }) => {
    if (!needed.has(writes)) return false;
    for (const place of reads) needed.add(place);
    return true;
  });
  return live.reverse();
}

/** The border of each value: the widest that one of its readers needs. */
function bordersOf(graph: Graph, choice: StrategyOptions): ReadonlyMap<Value, Pads> {
  const borders = new Map<Value, Pads>();
  const widen = (value: Value, border: Pads) => borders.set(value, widest(borders.get(value) ?? NO_BORDER, border));
  const widenFor = (layer: ConvolutionLayer, x: Value) => {
    const { wants } = choose(layer, choice);
    if (wants.order === "quads") widen(x, wants.border);
  };
  for (const node of nodesOf(graph)) {
    if (is(node, "conv2d") || is(node, "fusedConv2d")) widenFor(layerOf(node), node.inputs.x);
    if (is(node, "conv2dWeightGradient")) widen(node.inputs.x, node.attributes.padding);
    if (!is(node, "conv2dInputGradient")) continue;
    const transposed = transposedLayer(node);
    if (transposed?.stride.every((step) => step === 1)) widenFor(transposed.layer, node.inputs.dy);
  }
  return borders;
}

function lowering(context: Context): Lowering<Operand> {
  const unary =
    (make: (x: ImageLayout, y: ImageLayout) => Kernel) =>
    (node: AnyNode, { x }: { readonly x: Operand }) =>
      context.emit(node, [x], ([from], y) => make(from!, y));
  const convolution = (node: AnyNode, layer: ConvolutionLayer, inputs: InputsOf<"fusedConv2d", Operand>): Operand =>
    convolve(context, choose(layer, context.choice), node, { ...layer, y: context.layoutOf(node) }, inputs);
  return {
    ...elementwiseRows(context),
    ...gradientRows(context),
    ...normRows(context),
    ...optimizerRows(context),
    conv2d: (node, inputs) => convolution(node, layerOf(node), inputs),
    fusedConv2d: (node, inputs) => convolution(node, layerOf(node), inputs),
    linear: (node, inputs) => {
      const attributes = { stride: [1, 1], padding: NO_BORDER, dilation: [1, 1], groups: 1, relu: false } as const;
      const [x, y] = [layoutOf(sizesOf(node.inputs.x.shape)), layoutOf(sizesOf(node.shape))];
      return convolution(node, { x, y, hasBias: inputs.bias !== undefined, kernel: [1, 1], attributes }, inputs);
    },
    maxPool2d: (node, { x }) => {
      const { window, stride, padding } = node.attributes;
      return context.emit(node, [x], ([from], y) =>
        maxPool2d(from!, y, { window, stride, before: [padding[0], padding[1]] }),
      );
    },
    averagePool2d: (node, { x }) => {
      const { window, stride } = node.attributes;
      return context.emit(node, [x], ([from], y) => averagePool2d(from!, y, { window, stride, before: [0, 0] }));
    },
    globalAveragePool: unary(globalAveragePool),
    multiply: (node, { x, gate }) =>
      context.emit(node, [x, gate], ([from, factor], y) => elementwise.multiply(from!, factor!, y)),
    sigmoid: unary(elementwise.sigmoid),
    softmax: unary(softmax),
    logSoftmax: unary(logSoftmax),
    flatten: (node, { x }) => {
      const layout = layoutOf(sizesOf(node.shape));
      const { height, width, order } = x.layout;
      if (order === "host") return { ...x, shape: node.shape, layout: inOrder(layout, "host") };
      if (height * width === 1 && x.layout.border.every((pixels) => pixels === 0))
        return { ...x, shape: node.shape, layout };
      return context.emit(node, [x], ([from], y) => flatten(from!, y));
    },
    subsample: (node, { x }) => context.emit(node, [x], ([from], y) => subsample(from!, y, node.attributes.stride)),
    padChannels: (node, { x }) => context.emit(node, [x], ([from], y) => padChannels(from!, y, node.attributes.before)),
    zeroPad2d: (node, { x }) => {
      const [top, left] = node.attributes.padding;
      return context.emit(node, [x], ([from], y) => zeroPad2d(from!, y, [top, left]));
    },
  };
}
