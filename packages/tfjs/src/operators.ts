import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import type { OperatorName, Operators, Pads } from "./program.ts";
import type { TensorFlow } from "./runtime.ts";

type Apply<Name extends OperatorName> = (
  tf: TensorFlow,
  inputs: readonly Tensor[],
  attributes: Operators[Name],
) => Tensor;

/** Each of TensorFlow's operators as tfjs carries it out, and as a graph model that it loads would. */
export const operators: { readonly [Name in OperatorName]: Apply<Name> } = {
  AddV2: (tf, [a, b]) => tf.add(a!, b!),
  AvgPool: (tf, [x], { window, strides, padding }) =>
    tf.avgPool(x as Tensor4D, [...window], [...strides], padding === "VALID" ? "valid" : "same"),
  ConcatV2: (tf, inputs, { axis }) => tf.concat([...inputs], axis),
  Conv2D: (tf, [x, filter], { strides, pads, dilations }) =>
    tf.conv2d(x as Tensor4D, filter as Tensor4D, [...strides], explicit(pads), "NHWC", [...dilations]),
  DepthwiseConv2dNative: (tf, [x, filter], { strides, pads, dilations }) =>
    tf.depthwiseConv2d(x as Tensor4D, filter as Tensor4D, [...strides], explicit(pads), "NHWC", [...dilations]),
  FusedBatchNormV3: (tf, [x, scale, offset, mean, variance], { epsilon }) =>
    tf.batchNorm(x!, mean as Tensor1D, variance as Tensor1D, offset, scale, epsilon),
  Identity: (tf, [x]) => tf.clone(x!),
  LogSoftmax: (tf, [x]) => tf.logSoftmax(x!),
  MatMul: (tf, [a, b]) => tf.matMul(a!, b!),
  MaxPool: (tf, [x], { window, strides, pads }) => tf.maxPool(x as Tensor4D, [...window], [...strides], explicit(pads)),
  Mean: (tf, [x], { axes, keepDims }) => tf.mean(x!, [...axes], keepDims),
  Mul: (tf, [a, b]) => tf.mul(a!, b!),
  PadV2: (tf, [x], { paddings, value }) =>
    tf.pad(
      x!,
      paddings.map(([before, after]) => [before, after]),
      value,
    ),
  Relu: (tf, [x]) => tf.relu(x!),
  Reshape: (tf, [x], { shape }) => tf.reshape(x!, [...shape]),
  Sigmoid: (tf, [x]) => tf.sigmoid(x!),
  Slice: (tf, [x], { begin, size }) => tf.slice(x!, [...begin], [...size]),
  Softmax: (tf, [x]) => tf.softmax(x!),
  Sum: (tf, [x], { axes }) => tf.sum(x!, [...axes]),
  Transpose: (tf, [x], { permutation }) => tf.transpose(x!, [...permutation]),
  _FusedConv2D: (tf, [x, filter, bias], { strides, pads, dilations, relu }) =>
    tf.fused.conv2d({
      x: x as Tensor4D,
      filter: filter as Tensor4D,
      bias: bias!,
      strides: [...strides],
      pad: explicit(pads),
      dataFormat: "NHWC",
      dilations: [...dilations],
      activation: relu ? "relu" : "linear",
    }),
  _FusedMatMul: (tf, [a, b, bias], { relu }) =>
    tf.fused.matMul({ a: a as Tensor2D, b: b as Tensor2D, bias: bias!, activation: relu ? "relu" : "linear" }),
};

type Explicit = [[number, number], [number, number], [number, number], [number, number]];

/** No padding is "valid", the one word that every engine takes. */
function explicit([top, left, bottom, right]: Pads): "valid" | Explicit {
  return top + left + bottom + right === 0
    ? "valid"
    : [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
}
