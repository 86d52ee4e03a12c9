import { type Pads, UnsupportedError } from "@residual/core";
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import { maxPoolGradient } from "./max-pool-gradient.ts";
import * as def from "./node-def.ts";
import type { Operation } from "./program.ts";
import type { TensorFlow } from "./runtime.ts";

/** The description of an operator: its attributes, its execution and its form in a file. */
interface Operator<Attributes extends object = object> {
  apply(this: void, tf: TensorFlow, inputs: readonly Tensor[], attributes: Attributes): Tensor;
  /** Default: inputs only. */
  write?(this: void, attributes: Attributes, inputs: readonly string[]): Written;
  /** For operators whose second input XNNPACK packs: the smallest shape of a first input that fits the second. */
  smallestInput?(this: void, packed: readonly number[], attributes: Attributes): number[];
}

/** The contents of a GraphDef node. */
interface Written {
  readonly attr?: def.NodeDef["attr"];
  /** Inputs after the operation's own, in order. */
  readonly parameters?: { readonly [name: string]: def.ParameterValue };
}

/** [down, right], in pixels. */
export type Pair = readonly [down: number, right: number];

interface ConvolutionAttributes {
  readonly strides: Pair;
  readonly pads: Pads;
  readonly dilations: Pair;
}

interface FilterAttributes {
  readonly strides: Pair;
  /** [KH, KW, I, O] */
  readonly kernel: readonly [number, number, number, number];
}

interface PoolAttributes {
  readonly window: Pair;
  readonly strides: Pair;
}

/**
 * TensorFlow's operators that networks are lowered to, under TensorFlow's names. Images are NHWC, kernels HWIO. Inputs
 * are in TensorFlow's order: `x, filter[, bias]`, `x, scale, offset, mean, variance`.
 *
 * Source of attributes and parameters: tensorflow/core/ops, and the op_list of tfjs-converter.
 */
const operators = {
  AddV2: operator({ apply: (tf, [a, b]) => tf.add(a!, b!) }),
  AvgPool: operator<PoolAttributes & { readonly padding: "VALID" | "SAME" }>({
    apply: (tf, [x], { window, strides, padding }) =>
      tf.avgPool(x as Tensor4D, [...window], [...strides], padding === "VALID" ? "valid" : "same"),
    write: ({ padding, ...attributes }) => ({ attr: { ...poolAttr(attributes), padding: def.string(padding) } }),
  }),
  Conv2DBackpropFilter: operator<FilterAttributes>({
    apply: (tf, [x, dy], { strides, kernel }) =>
      tf
        .engine()
        .runKernel(
          "Conv2DBackpropFilter",
          { x: x!, dy: dy! },
          { strides: [...strides], pad: "valid", dataFormat: "NHWC", filterShape: [...kernel] },
        ),
    write: notInFiles,
  }),
  ConcatV2: operator<{ readonly axis: number }>({
    apply: (tf, inputs, { axis }) => tf.concat([...inputs], axis),
    write: ({ axis }, inputs) => ({
      attr: { N: def.int(inputs.length) },
      parameters: { axis: def.intScalar(axis) },
    }),
  }),
  Conv2D: operator<ConvolutionAttributes>({
    apply: (tf, [x, filter], { strides, pads, dilations }) =>
      tf.conv2d(x as Tensor4D, filter as Tensor4D, [...strides], explicit(pads), "NHWC", [...dilations]),
    write: (attributes) => ({ attr: convolutionAttr(attributes) }),
    smallestInput: windowOf,
  }),
  DepthwiseConv2dNative: operator<ConvolutionAttributes>({
    apply: (tf, [x, filter], { strides, pads, dilations }) =>
      tf.depthwiseConv2d(x as Tensor4D, filter as Tensor4D, [...strides], explicit(pads), "NHWC", [...dilations]),
    write: (attributes) => ({ attr: convolutionAttr(attributes) }),
    smallestInput: windowOf,
  }),
  FusedBatchNormV3: operator<{ readonly epsilon: number }>({
    apply: (tf, [x, scale, offset, mean, variance], { epsilon }) =>
      tf.batchNorm(x!, mean as Tensor1D, variance as Tensor1D, offset, scale, epsilon),
    write: ({ epsilon }) => ({
      attr: { epsilon: def.float(epsilon), is_training: def.boolean(false), data_format: def.string("NHWC") },
    }),
  }),
  LogSoftmax: operator({ apply: (tf, [x]) => tf.logSoftmax(x!) }),
  MatMul: operator({
    apply: (tf, [a, b]) => tf.matMul(a!, b!),
    write: () => ({ attr: productAttr }),
    smallestInput: rowOf,
  }),
  /** `pads` read as −∞. Graph models have none. */
  MaxPool: operator<PoolAttributes & { readonly pads: Pads }>({
    apply: (tf, [x], { window, strides, pads }) => tf.maxPool(x as Tensor4D, [...window], [...strides], explicit(pads)),
    write: ({ window, strides }) => ({ attr: { ...poolAttr({ window, strides }), padding: def.string("VALID") } }),
  }),
  Mean: operator<{ readonly axes: readonly number[]; readonly keepDims: boolean }>({
    apply: (tf, [x], { axes, keepDims }) => tf.mean(x!, [...axes], keepDims),
    write: ({ axes, keepDims }) => ({
      attr: { keep_dims: def.boolean(keepDims) },
      parameters: { axes: def.intVector(axes) },
    }),
  }),
  /** The gradient of a max pool, computed by Residual's own loops on the caller's thread. */
  MaxPoolGradient: operator<PoolAttributes & { readonly pads: Pads }>({ apply: maxPoolGradient, write: notInFiles }),
  Mul: operator({ apply: (tf, [a, b]) => tf.mul(a!, b!) }),
  /** `paddings` are before and after each axis. */
  PadV2: operator<{ readonly paddings: readonly (readonly [number, number])[]; readonly value: number }>({
    apply(tf, [x], { paddings, value }) {
      const pairs = paddings.map(([before, after]): [number, number] => [before, after]);
      return tf.pad(x!, pairs, value);
    },
    write: ({ paddings, value }) => ({
      parameters: { paddings: def.intPairs(paddings), value: def.floatScalar(value) },
    }),
  }),
  RealDiv: operator({ apply: (tf, [a, b]) => tf.div(a!, b!) }),
  /** `dy` where `y` is above 0. A product with a mask would turn an infinite `dy` into NaN. */
  ReluGradient: operator({
    apply: (tf, [y, dy]) => tf.where(tf.greater(y!, 0), dy!, tf.zerosLike(dy!)),
    write: notInFiles,
  }),
  Relu: operator({ apply: (tf, [x]) => tf.relu(x!) }),
  /** −1 stands for the batch. */
  Reshape: operator<{ readonly shape: readonly number[] }>({
    apply: (tf, [x], { shape }) => tf.reshape(x!, [...shape]),
    write: ({ shape }) => ({ parameters: { shape: def.intVector(shape) } }),
  }),
  ReverseV2: operator<{ readonly axes: readonly number[] }>({
    apply: (tf, [x], { axes }) => tf.reverse(x!, [...axes]),
    write: ({ axes }) => ({ parameters: { axis: def.intVector(axes) } }),
  }),
  Sigmoid: operator({ apply: (tf, [x]) => tf.sigmoid(x!) }),
  /** −1, 0 or 1. */
  Sign: operator({ apply: (tf, [x]) => tf.sign(x!) }),
  /** A size of −1 extends to the end. */
  Slice: operator<{ readonly begin: readonly number[]; readonly size: readonly number[] }>({
    apply: (tf, [x], { begin, size }) => tf.slice(x!, [...begin], [...size]),
    write: ({ begin, size }) => ({ parameters: { begin: def.intVector(begin), size: def.intVector(size) } }),
  }),
  Softmax: operator({ apply: (tf, [x]) => tf.softmax(x!) }),
  Sqrt: operator({ apply: (tf, [x]) => tf.sqrt(x!) }),
  Sub: operator({ apply: (tf, [a, b]) => tf.sub(a!, b!) }),
  Sum: operator<{ readonly axes: readonly number[]; readonly keepDims: boolean }>({
    apply: (tf, [x], { axes, keepDims }) => tf.sum(x!, [...axes], keepDims),
    write: ({ axes, keepDims }) => ({
      attr: { keep_dims: def.boolean(keepDims) },
      parameters: { axes: def.intVector(axes) },
    }),
  }),
  Transpose: operator<{ readonly permutation: readonly number[] }>({
    apply: (tf, [x], { permutation }) => tf.transpose(x!, [...permutation]),
    write: ({ permutation }) => ({ parameters: { permutation: def.intVector(permutation) } }),
  }),
  _FusedConv2D: operator<ConvolutionAttributes & { readonly relu: boolean }>({
    apply: (tf, [x, filter, bias], { strides, pads, dilations, relu }) =>
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
    write: ({ relu, ...attributes }) => ({ attr: { ...convolutionAttr(attributes), ...fusedAttr(relu) } }),
    smallestInput: windowOf,
  }),
  _FusedMatMul: operator<{ readonly relu: boolean }>({
    apply: (tf, [a, b, bias], { relu }) =>
      tf.fused.matMul({ a: a as Tensor2D, b: b as Tensor2D, bias: bias!, activation: relu ? "relu" : "linear" }),
    write: ({ relu }) => ({ attr: { ...productAttr, ...fusedAttr(relu) } }),
    smallestInput: rowOf,
  }),
};

export type OperatorName = keyof typeof operators;

/** The attributes of an operation with this operator. */
export type OperatorAttributes<Name extends OperatorName> =
  (typeof operators)[Name] extends Operator<infer Attributes> ? Attributes : never;

/** Programs for files have other operators instead. */
function notInFiles(): never {
  throw new UnsupportedError(
    "tfjs: a graph model has no operator for this gradient (internal error; please report it)",
  );
}

/** The definition of an operation's operator, for code that treats all alike. */
export function operatorOf({ operator }: Operation): Operator {
  return operators[operator as OperatorName]; // the builder has checked it
}

/** Declares an operator with its attributes' type. */
function operator<Attributes extends object>(definition: Operator<Attributes>): Operator<Attributes> {
  return definition;
}

type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];

/** No padding is "valid", the only name that every engine accepts. */
function explicit([top, left, bottom, right]: Pads): "valid" | ExplicitPadding {
  const isNone = top + left + bottom + right === 0;
  if (isNone) return "valid";
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** One window of kernels [height, width, channels, …]. */
function windowOf(
  [height = 1, width = 1, channels = 1]: readonly number[],
  { dilations: [down, right] }: ConvolutionAttributes,
): number[] {
  return [1, down * (height - 1) + 1, right * (width - 1) + 1, channels];
}

/** One row, the smallest left operand of a matrix product. */
function rowOf([rows = 1]: readonly number[]): number[] {
  return [1, rows];
}

function convolutionAttr({ strides, pads, dilations }: ConvolutionAttributes): def.NodeDef["attr"] {
  return {
    data_format: def.string("NHWC"),
    strides: onImages(strides),
    dilations: onImages(dilations),
    ...paddingAttr(pads),
  };
}

function paddingAttr([top, left, bottom, right]: Pads): def.NodeDef["attr"] {
  if (top + left + bottom + right === 0) return { padding: def.string("VALID") };
  return {
    padding: def.string("EXPLICIT"),
    explicit_paddings: def.ints([0, 0, top, bottom, left, right, 0, 0]),
  };
}

function poolAttr({ window, strides }: PoolAttributes): def.NodeDef["attr"] {
  return { data_format: def.string("NHWC"), ksize: onImages(window), strides: onImages(strides) };
}

const productAttr: def.NodeDef["attr"] = { transpose_a: def.boolean(false), transpose_b: def.boolean(false) };

function fusedAttr(relu: boolean): def.NodeDef["attr"] {
  return { fused_ops: def.strings(relu ? ["BiasAdd", "Relu"] : ["BiasAdd"]), num_args: def.int(1) };
}

function onImages([down, right]: Pair) {
  return def.ints([1, down, right, 1]);
}
