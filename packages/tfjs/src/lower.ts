import {
  constant,
  type Graph,
  type Lowering,
  lower,
  type Node,
  type Pads,
  sizeOf,
  UnsupportedError,
  type Value,
} from "@residual/core";
import { convolution, matrixProduct, subsample } from "./convolution.ts";
import type { Dialect } from "./dialect.ts";
import { elementwiseRows } from "./elementwise.ts";
import { gradientRows } from "./gradients.ts";
import type { Program } from "./program.ts";
import { type Operand, ProgramBuilder } from "./program-builder.ts";

/**
 * A graph in TensorFlow's operators. Images are transposed to NHWC for the operators, and back for the outputs. The
 * batch may be open. A variable without an update is a constant.
 *
 * Throws UnsupportedError for open parameters.
 */
export function lowerToProgram(graph: Graph, dialect: Dialect): Program {
  const builder = new ProgramBuilder(graph);
  const updated = new Set(graph.updates.map(({ variable }) => variable));
  const operands = lower<Operand>(graph, lowering(builder, dialect), (leaf) => {
    if (leaf.kind === "parameter") {
      throw new UnsupportedError(`tfjs: the parameter ${leaf.name} of ${graph.name} is open; bind the graph first`);
    }
    return leaf.kind === "variable" && !updated.has(leaf) ? constant(leaf.name, leaf.source) : leaf;
  });
  const asGiven = (name: string, value: Value) => builder.channelsFirst(name, value, operands.get(value)!);
  const outputs = Object.entries<Value>(graph.outputs).map(([name, value]) => {
    return { name, shape: value.shape, from: asGiven(name, value) };
  });
  const variables = graph.updates.map(({ variable: { name, shape, source }, value }) => {
    return { name, shape, layout: { kind: "plain" } as const, source, update: asGiven(`${name}/next`, value) };
  });
  const inputs = Object.values(graph.inputs).map(({ name, shape }) => ({ name, shape }));
  const { weights, operations } = builder;
  return { name: graph.name, inputs, outputs, weights: [...weights.values()], variables, operations };
}

/** The lowering of each op: one operator, or a few. */
const lowering = (to: ProgramBuilder, dialect: Dialect): Lowering<Operand> => ({
  ...elementwiseRows(to, dialect),
  ...gradientRows(to, dialect),
  averagePool2d: (node, { x }) => averagePool(to, node, to.channelsLast(x)),
  batchNorm: (node, { x, scale, shift, mean, variance }) =>
    to.emit(
      "FusedBatchNormV3",
      node.name,
      [x, scale, shift, mean, variance].map((each) => to.channelsLast(each)),
      node.attributes,
    ),
  conv2d: (node, { x, weight, bias }) => convolution(to, dialect, { node, x, weight, bias, relu: false }),
  flatten(node, { x }) {
    const [, ...sizes] = node.inputs.x.shape as readonly number[];
    const first = to.channelsFirst(`${node.name}/channels-first`, node.inputs.x, x);
    return to.emit("Reshape", node.name, [first], { shape: [-1, sizeOf(sizes)] });
  },
  fusedConv2d: (node, { x, weight, bias, residual }) =>
    convolution(to, dialect, { node, x, weight, bias, residual, relu: node.attributes.relu }),
  globalAveragePool: (node, { x }) =>
    to.emit("Mean", node.name, [to.channelsLast(x)], { axes: [1, 2], keepDims: true }),
  linear: (node, { x, weight, bias }) =>
    matrixProduct(to, node.name, to.channelsLast(x), { weight, bias, matrix: node.inputs.weight, relu: false }),
  logSoftmax: (node, { x }) => to.emit("LogSoftmax", node.name, [to.channelsLast(x)], {}),
  maxPool2d(node, { x }) {
    const { window, stride, padding } = node.attributes;
    const image = to.channelsLast(x);
    const padded = dialect.padsPools ? image : to.padded(node.name, image, padding, -Infinity);
    const pads: Pads = dialect.padsPools ? padding : [0, 0, 0, 0];
    return to.emit("MaxPool", node.name, [padded], { window, strides: stride, pads });
  },
  multiply: (node, { x, gate }) => to.emit("Mul", node.name, [to.channelsLast(x), to.channelsLast(gate)], {}),
  padChannels(node, { x }) {
    const { before, after } = node.attributes;
    const none = [0, 0] as const;
    const paddings = [none, none, none, [before, after]] as const;
    return to.emit("PadV2", node.name, [to.channelsLast(x)], { paddings, value: 0 });
  },
  relu: (node, { x }) => to.emit("Relu", node.name, [to.channelsLast(x)], {}),
  sigmoid: (node, { x }) => to.emit("Sigmoid", node.name, [to.channelsLast(x)], {}),
  softmax: (node, { x }) => to.emit("Softmax", node.name, [to.channelsLast(x)], {}),
  subsample: (node, { x }) =>
    to.chain(node.name, to.channelsLast(x), subsample(to, node.inputs.x.shape, node.attributes.stride)),
  zeroPad2d(node, { x }) {
    const [top, left, bottom, right] = node.attributes.padding;
    const paddings = [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ] as const;
    return to.emit("PadV2", node.name, [to.channelsLast(x)], { paddings, value: 0 });
  },
});

/**
 * The mean of the pixels that a window sees. TensorFlow's pools leave out pixels outside the image, but only with even
 * padding or none.
 */
function averagePool(to: ProgramBuilder, node: Node<"averagePool2d">, x: string): string {
  const { window, stride: strides } = node.attributes;
  const [, , height = 0, width = 0] = node.inputs.x.shape as readonly number[];
  const [, , outputHeight = 0, outputWidth = 0] = node.shape as readonly number[];
  const beyond = (axis: 0 | 1, size: number, outputs: number) =>
    Math.max((outputs - 1) * strides[axis] + window[axis] - size, 0);
  const [bottom, right] = [beyond(0, height, outputHeight), beyond(1, width, outputWidth)];
  if (bottom === 0 && right === 0) return to.emit("AvgPool", node.name, [x], { window, strides, padding: "VALID" });
  const whole = [height / strides[0], width / strides[1]].map(Math.ceil).join();
  // for one extra pixel, the larger half is at the end
  const isSame = whole === [outputHeight, outputWidth].join() && bottom <= 1 && right <= 1;
  if (isSame) return to.emit("AvgPool", node.name, [x], { window, strides, padding: "SAME" });
  const padded = to.padded(node.name, x, [0, 0, bottom, right], 0);
  const sums = to.emit("AvgPool", `${node.name}/with-zeros`, [padded], { window, strides, padding: "VALID" });
  const share = (axis: 0 | 1, size: number, i: number) =>
    window[axis] / (Math.min(i * strides[axis] + window[axis], size) - i * strides[axis]);
  const shares = Float32Array.from({ length: outputHeight * outputWidth }, (_, i) => {
    return share(0, height, Math.floor(i / outputWidth)) * share(1, width, i % outputWidth);
  });
  const factors = to.numbers(`${node.name}/shares`, [1, outputHeight, outputWidth, 1], shares);
  return to.emit("Mul", node.name, [sums, factors], {});
}
