import {
  type AnyNode,
  type Constant,
  constantsOf,
  type Graph,
  is,
  type Lowering,
  lower,
  type Node,
  nodesOf,
  optimize,
  select,
  UnsupportedError,
  type Value,
} from "@residual/core";
import { prepare } from "@residual/pipeline";
import type * as Tfjs from "@tensorflow/tfjs-core";
import { browserGpu } from "./dawn.ts";
import { imported, type Peer } from "./runner.ts";

/** The WebGPU engine of TensorFlow.js, on Dawn. */
export const tfjsWebgpu: Peer = async ({ model, files, input }) => {
  await browserGpu("@tensorflow/tfjs-core @tensorflow/tfjs-backend-webgpu");
  const tf = await imported<typeof Tfjs>("@tensorflow/tfjs-core");
  await imported("@tensorflow/tfjs-backend-webgpu"); // it registers itself, now that there is a navigator.gpu
  await tf.setBackend("webgpu");
  const { graph } = await prepare({ model, weights: files.safetensors, input });
  const network = networkOf(tf, optimize(select(graph, ["logits"])));
  return {
    async run({ data, shape: [n, c, h, w] }) {
      const logits = tf.tidy(() => {
        const image = tf.tensor4d(data, [n!, c!, h!, w!]);
        return network(tf.transpose(image, [0, 2, 3, 1]));
      });
      const answer = (await logits.data()) as Float32Array;
      logits.dispose();
      return answer;
    },
  };
};

/**
 * The graph as somebody who knows TensorFlow.js writes it: images in NHWC, norms folded, bias and ReLU fused into their convolution,
 * groups by split and concat, whose kernels are split once. Weights are made into tensors here, and kept.
 */
function networkOf(tf: typeof Tfjs, graph: Graph): (image: Tfjs.Tensor4D) => Tfjs.Tensor {
  const weights = weightsOf(tf, graph);
  const lowering = loweringTo(tf, weights);
  const logits = graph.outputs.logits!;
  return (image) => {
    const lowered = lower<Tfjs.Tensor>(graph, lowering, (value) => {
      if (value.kind === "input") return image;
      return weights.get(value)![0]!;
    });
    return lowered.get(logits)!;
  };
}

type Weights = ReadonlyMap<Value, readonly Tfjs.Tensor[]>;

/** Kernels as HWIO, one for each group, and their biases; matrices of linear layers as [inputs, outputs]. */
function weightsOf(tf: typeof Tfjs, graph: Graph): Weights {
  const groups = new Map<Value | undefined, number>();
  for (const { inputs, attributes } of nodesOf(graph).filter(isConvolution))
    for (const value of [inputs.weight, inputs.bias]) groups.set(value, attributes.groups);
  return new Map(constantsOf(graph).map((constant) => [constant, tensorsOf(tf, constant, groups.get(constant) ?? 1)]));
}

function tensorsOf(tf: typeof Tfjs, { tensor: { shape, data } }: Constant, groups: number): readonly Tfjs.Tensor[] {
  const [outputs, inputs = 1, ...window] = shape as [number, ...number[]];
  const [rows, size] = [outputs / groups, data.length / groups];
  return Array.from({ length: groups }, (_, group) => {
    const turned = outputsLast(data.subarray(group * size, (group + 1) * size), rows, inputs);
    return shape.length === 1 ? tf.tensor1d(turned) : tf.tensor(turned, [...window, inputs, rows]);
  });
}

type ConvolutionNode = AnyNode & (Node<"conv2d"> | Node<"fusedConv2d">);

const isConvolution = (node: AnyNode): node is ConvolutionNode => is(node, "conv2d") || is(node, "fusedConv2d");

/** [outputs, inputs, taps] as [taps, inputs, outputs]. */
function outputsLast(data: Float32Array | Float64Array, outputs: number, inputs: number): Float32Array {
  const turned = new Float32Array(data.length);
  const taps = data.length / (outputs * inputs);
  for (let o = 0, i = 0; o < outputs; o++)
    for (let c = 0; c < inputs; c++)
      for (let tap = 0; tap < taps; tap++, i++) turned[(tap * inputs + c) * outputs + o] = data[i]!;
  return turned;
}

function loweringTo(tf: typeof Tfjs, weights: Weights): Lowering<Tfjs.Tensor> {
  type Explicit = Tfjs.backend_util.ExplicitPadding;
  const sides = ([top, left, bottom, right]: readonly number[]): Explicit => [
    [0, 0],
    [top!, bottom!],
    [left!, right!],
    [0, 0],
  ];
  const image = (tensor: Tfjs.Tensor) => tensor as Tfjs.Tensor4D;

  function convolution(
    { inputs, attributes: { stride, padding, dilation, groups } }: ConvolutionNode,
    x: Tfjs.Tensor,
    activation: "linear" | "relu",
  ): Tfjs.Tensor {
    const [kernels, biases] = [weights.get(inputs.weight)!, inputs.bias && weights.get(inputs.bias)];
    const images = groups === 1 ? [x] : tf.split(x, groups, 3);
    const parts = images.map((part, group) =>
      tf.fused.conv2d({
        x: image(part),
        filter: image(kernels[group]!),
        strides: [...stride],
        pad: sides(padding),
        dilations: [...dilation],
        activation,
        ...(biases && { bias: biases[group]! }),
      }),
    );
    return groups === 1 ? parts[0]! : tf.concat(parts, 3);
  }

  return {
    add: (_, { a, b }) => tf.add(a, b),
    averagePool2d: ({ attributes: { window, stride, ceil } }, { x }) => {
      if (ceil) throw new UnsupportedError("tfjs-core-webgpu: averagePool2d with ceil is not written for it");
      return tf.avgPool(image(x), [...window], [...stride], "valid");
    },
    batchNorm: ({ attributes: { epsilon } }, { x, scale, shift, mean, variance }) =>
      tf.batchNorm(x, mean, variance, shift, scale, epsilon),
    conv2d: (node, { x }) => convolution(node, x, "linear"),
    flatten: (_, { x }) => tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1]),
    fusedConv2d: (node, { x, residual }) => {
      const { relu } = node.attributes;
      if (!residual) return convolution(node, x, relu ? "relu" : "linear");
      const sum = tf.add(convolution(node, x, "linear"), residual);
      return relu ? tf.relu(sum) : sum;
    },
    globalAveragePool: (_, { x }) => tf.mean(x, [1, 2], true),
    linear: (_, { x, weight, bias }) => tf.fused.matMul({ a: x, b: weight, ...(bias && { bias }) }),
    logSoftmax: (_, { x }) => tf.logSoftmax(x),
    maxPool2d: ({ attributes: { window, stride, padding } }, { x }) =>
      tf.maxPool(image(x), [...window], [...stride], sides(padding)),
    multiply: (_, { x, gate }) => tf.mul(x, gate),
    padChannels: ({ attributes: { before, after } }, { x }) =>
      tf.pad(x, [
        [0, 0],
        [0, 0],
        [0, 0],
        [before, after],
      ]),
    relu: (_, { x }) => tf.relu(x),
    sigmoid: (_, { x }) => tf.sigmoid(x),
    softmax: (_, { x }) => tf.softmax(x),
    subsample: ({ attributes: { stride } }, { x }) => tf.stridedSlice(x, [0, 0, 0, 0], [...x.shape], [1, ...stride, 1]),
  };
}
