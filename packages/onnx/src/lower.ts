import {
  type AnyNode,
  type Attributes,
  type AttributesOf,
  type Graph,
  lower,
  parametersOf,
  UnsupportedError,
  type Value,
} from "@residual/core";
import { BlockedLayout } from "./blocked-layout.ts";
import { batchNormRows } from "./lower-batch-norm.ts";
import { blockedLowering, type PlainRows } from "./lower-blocked.ts";
import { convolution } from "./lower-convolution.ts";
import { conv2dInputGradient, maxPool2dGradient, reluMask } from "./lower-gradients.ts";
import { weightGradient } from "./lower-weight-gradient.ts";
import { ModelBuilder, type OnnxAttributes, type OnnxDialect, type Step } from "./model-builder.ts";
import type { Model, OnnxAttribute, ValueInfo } from "./model-proto.ts";
import { NodeBuilder } from "./node-builder.ts";

/**
 * A graph as an ONNX model: plain data, not yet encoded. Values keep their names, so that a viewer shows
 * `layer3.5.conv2`, and initializers have the names of their parameters. Both dialects are ONNX of opset 17; "webgpu"
 * avoids operators that onnxruntime's WebGPU lacks or computes wrongly. A `block` above 1 is the size of onnxruntime's
 * blocked layout on this machine, in which the model then keeps images: such a model runs on this kind of machine only.
 *
 * Throws UnsupportedError for open parameters, and for an output with the name of an input unless it is that input.
 */
export function lowerToOnnx(graph: Graph, dialect: OnnxDialect = "standard", block = 1): Model {
  checkBound(graph);
  const builder = new ModelBuilder(graph, dialect);
  const layout = new BlockedLayout(builder, block);
  const rows = lowering(builder, graph);
  const chosen = block > 1 ? blockedLowering(builder, layout, rows) : rows;
  const names = lower(graph, chosen, (leaf) => builder.leaf(leaf));
  const found = (value: Value) => layout.plain(names.get(value)!);
  for (const [name, value] of Object.entries<Value>(graph.outputs)) builder.output(name, value, found(value));
  const variables = graph.updates.map((update) => builder.variable(update, found(update.value)));
  const shapes = (values: Graph["outputs"]) => Object.entries(values).map(([name, { shape }]) => ({ name, shape }));
  return {
    name: graph.name,
    nodes: builder.nodes,
    inputs: [...shapes(graph.inputs), ...variables.map(({ input, source: { shape } }) => ({ name: input, shape }))],
    outputs: [...shapes(graph.outputs), ...variables.map(({ update, source: { shape } }) => ({ name: update, shape }))],
    values: innerValues(builder, names, new Set(Object.keys(graph.outputs))),
    initializers: [...builder.weights, ...builder.numbers],
    variables,
    metadata: {},
  };
}

/** The computed values that are not outputs, each once. A composite's last part has the composite's name. */
function innerValues(
  { nodes }: ModelBuilder,
  names: ReadonlyMap<Value, string>,
  outputs: ReadonlySet<string>,
): readonly ValueInfo[] {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const computed = [...names].filter(([{ kind }, name]) => kind === "node" && made.has(name) && !outputs.has(name));
  return [...new Map(computed.map(([{ shape }, name]) => [name, { name, shape }])).values()];
}

/** Throws UnsupportedError for open parameters. */
function checkBound(graph: Graph): void {
  const [open, ...others] = parametersOf(graph);
  if (!open) return;
  const count = others.length + 1;
  throw new UnsupportedError(`onnx: ${count} parameters of ${graph.name} are open (${open.name}, …); bind them first`);
}

/** The lowering of each op. T is the name of an ONNX value. onnxruntime fuses the parts of composite ops itself. */
const lowering = (model: ModelBuilder, graph: Graph): PlainRows => ({
  ...batchNormRows(model, graph),
  add: (node, { a, b }) => model.emit("Add", node, [a, b]),
  affine(node, { x }) {
    const { factor, offset } = node.attributes;
    const scaled: Step[] = factor === 1 ? [] : [["Mul", [model.number(node, "factor", factor)]]];
    const shifted: Step[] = offset === 0 ? [] : [["Add", [model.number(node, "offset", offset)]]];
    const [first, ...more] = [...scaled, ...shifted];
    return first ? model.chain(node, [[first[0], [x, ...first[1]]], ...more]) : x;
  },
  averagePool2d: (node, { x }) => model.emit("AveragePool", node, [x], averagePool(node)),
  channelSum(node, { x }) {
    const axes = node.inputs.x.shape.length === 2 ? [0] : [0, 2, 3];
    return model.emit("ReduceSum", node, [x, model.whole(node, "axes", axes)], { keepdims: { int: 0 } });
  },
  conv2d: (node, names) => model.chain(node, convolution(model, node, node, names)),
  conv2dInputGradient: (node, names) => conv2dInputGradient(model, node, names),
  conv2dWeightGradient: (node, names) => weightGradient(model, node, names),
  divide: (node, { a, b }) => model.emit("Div", node, [a, b]),
  expand(node, { x }) {
    const shape = node.attributes.shape.map((size) => (size === -1 ? 1 : size)); // 1 keeps the size of x
    return model.emit("Expand", node, [x, model.whole(node, "shape", shape)]);
  },
  flatten: (node, { x }) => model.emit("Flatten", node, [x], { axis: { int: 1 } }),
  globalAveragePool: (node, { x }) => model.emit("GlobalAveragePool", node, [x]),
  linear: (node, { x, weight, bias }) => model.emit("Gemm", node, [x, weight, bias], { transB: { int: 1 } }),
  linearInputGradient: (node, { dy, weight }) => model.emit("Gemm", node, [dy, weight]),
  linearWeightGradient: (node, { x, dy }) => model.emit("Gemm", node, [dy, x], { transA: { int: 1 } }),
  logSoftmax(node, { x }) {
    if (model.dialect === "standard") return model.emit("LogSoftmax", node, [x], { axis: { int: 1 } });
    // onnxruntime's WebGPU has no LogSoftmax: (x − max) − log Σ e^(x − max).
    const less = model.step("Sub", node, "Sub", [
      x,
      model.step("ReduceMax", node, "ReduceMax", [x], { axes: { ints: [1] } }),
    ]);
    const axes = model.whole(node, "axes", [1]);
    const sum = model.step("ReduceSum", node, "ReduceSum", [model.step("Exp", node, "Exp", [less]), axes]);
    return model.emit("Sub", node, [less, model.step("Log", node, "Log", [sum])]);
  },
  maxPool2d: (node, { x }) =>
    model.emit("MaxPool", node, [x], { ...windowOf(node.attributes), pads: { ints: node.attributes.padding } }),
  maxPool2dGradient: (node, names) => maxPool2dGradient(model, node, names),
  multiply: (node, { x, gate }) => model.emit("Mul", node, [x, gate]),
  padChannels(node, { x }) {
    const { before, after } = node.attributes;
    return model.emit("Pad", node, [x, model.whole(node, "pads", [0, before, 0, 0, 0, after, 0, 0])]);
  },
  relu: (node, { x }) => model.emit("Relu", node, [x]),
  reluGradient: (node, { y, dy }) => model.emit("Mul", node, [dy, reluMask(new NodeBuilder(model, node), y)]),
  reshape: (node, { x }) => model.emit("Reshape", node, [x, model.whole(node, "shape", node.attributes.shape)]),
  sigmoid: (node, { x }) => model.emit("Sigmoid", node, [x]),
  sliceChannels(node, { x }) {
    const { before, after } = node.attributes;
    const range = { starts: [before], ends: [(node.inputs.x.shape[1] as number) - after], axes: [1] };
    return model.emit("Slice", node, [x, ...Object.entries(range).map(([key, list]) => model.whole(node, key, list))]);
  },
  softmax: (node, { x }) => model.emit("Softmax", node, [x], { axis: { int: 1 } }),
  sqrt: (node, { x }) => model.emit("Sqrt", node, [x]),
  subsample(node, { x }) {
    const [, , height, width] = node.inputs.x.shape as readonly number[];
    const parameters = { starts: [0, 0], ends: [height!, width!], axes: [2, 3], steps: node.attributes.stride };
    const names = Object.entries(parameters).map(([key, list]) => model.whole(node, key, list));
    return model.emit("Slice", node, [x, ...names]);
  },
  sum(node, { x }) {
    const { axes } = node.attributes;
    // Without axes, ReduceSum would sum over all.
    if (axes.length === 0) return model.emit("Identity", node, [x]);
    return model.emit("ReduceSum", node, [x, model.whole(node, "axes", axes)], { keepdims: { int: 1 } });
  },
  times: (node, { a, b }) => model.emit("Mul", node, [a, b]),
  zeroPad2d(node, { x }) {
    const [top, left, bottom, right] = node.attributes.padding;
    const pads = model.whole(node, "pads", [0, 0, top, left, 0, 0, bottom, right]);
    // onnxruntime 1.30 merges zeros before a MaxPool into its padding, which is −∞ (pad_fusion.cc). It does not merge
    // −0.
    return model.emit("Pad", node, [x, pads, model.number(node, "zero", -0)]);
  },
});

/**
 * A last window beyond the border is written as padding that does not count, so that the size is `node.shape`. Releases
 * of onnxruntime interpret ceil_mode differently, and compute no pixel for a window larger than the image.
 */
function averagePool(
  node: AnyNode & { attributes: AttributesOf<"averagePool2d">; inputs: { x: Value } },
): OnnxAttributes {
  const { window, stride } = node.attributes;
  const outside = [0, 1].map((axis) => {
    const [size, steps] = [node.inputs.x.shape[axis + 2] as number, node.shape[axis + 2] as number];
    return Math.max((steps - 1) * stride[axis]! + window[axis]! - size, 0);
  });
  return { ...windowOf(node.attributes), pads: { ints: [0, 0, ...outside] }, count_include_pad: { int: 0 } };
}

function windowOf({ window, stride }: Attributes & { window: readonly number[]; stride: readonly number[] }): {
  [name: string]: OnnxAttribute;
} {
  return { kernel_shape: { ints: window }, strides: { ints: stride } };
}
