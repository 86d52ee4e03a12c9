import type { Shape } from "@residual/core";
import type { Operation, OperatorName, Operators, Pads, Program } from "./program.ts";

/** A node of a GraphDef as tfjs reads it: protobuf's JSON, in which whole numbers are strings and strings base64. */
interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: { readonly [name: string]: AttrValue };
}

type AttrValue =
  | { readonly b: boolean }
  | { readonly f: number }
  | { readonly i: string }
  | { readonly s: string }
  | { readonly type: DataType }
  | { readonly shape: TensorShape }
  | { readonly list: { readonly i: readonly string[] } | { readonly s: readonly string[] } }
  | { readonly tensor: { readonly dtype: DataType; readonly tensorShape: TensorShape } };

type DataType = "DT_FLOAT" | "DT_INT32";

export interface TensorShape {
  readonly dim?: readonly { readonly size: string }[];
}

/** Numbers that TensorFlow takes as an input where Residual has an attribute: axes, paddings, sizes. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Int32Array | Float32Array;
}

/** A program's nodes, and the parameters that they read beside its weights. */
export interface GraphDef {
  readonly nodes: readonly NodeDef[];
  readonly parameters: readonly Parameter[];
}

/** A program as nodes of a GraphDef: a Placeholder each input, a Const each weight and parameter, then the operations. */
export function graphDefOf(program: Program): GraphDef {
  const written = program.operations.map(writeOperation);
  const parameters = written.flatMap((each) => each.parameters);
  const float = { dtype: { type: "DT_FLOAT" } } as const;
  const nodes: NodeDef[] = [
    ...program.inputs.map(({ name, shape }) => {
      return { name, op: "Placeholder", attr: { ...float, shape: { shape: tensorShape(shape) } } };
    }),
    ...program.weights.map(({ name, shape }) => constNode(name, "DT_FLOAT", shape)),
    ...parameters.map(({ name, data, shape }) => {
      return constNode(name, data instanceof Int32Array ? "DT_INT32" : "DT_FLOAT", shape);
    }),
    ...written.map(({ node }) => node),
  ];
  return { nodes, parameters };
}

/** −1 stands for what is open. */
export function tensorShape(shape: Shape): TensorShape {
  return { dim: shape.map((size) => ({ size: String(size === "N" ? -1 : size) })) };
}

function constNode(name: string, dtype: DataType, shape: readonly number[]): NodeDef {
  const tensor = { dtype, tensorShape: tensorShape(shape) };
  return { name, op: "Const", attr: { dtype: { type: dtype }, value: { tensor } } };
}

interface Written {
  readonly attr?: NodeDef["attr"];
  /** Inputs after the operation's own, in their order. */
  readonly parameters?: {
    readonly [name: string]: { readonly shape: readonly number[]; readonly data: Parameter["data"] };
  };
}

function writeOperation(operation: Operation): { readonly node: NodeDef; readonly parameters: readonly Parameter[] } {
  const { operator, name, inputs, attributes } = operation;
  const write = writers[operator] as (attributes: object, inputs: readonly string[]) => Written;
  const { attr = {}, parameters = {} } = write(attributes, inputs);
  const named = Object.entries(parameters).map(([key, value]) => ({ name: `${name}/${key}`, ...value }));
  const input = [...inputs, ...named.map((parameter) => parameter.name)];
  return { node: { name, op: operator, input, attr: { T: { type: "DT_FLOAT" }, ...attr } }, parameters: named };
}

type Writer<Name extends OperatorName> = (attributes: Operators[Name], inputs: readonly string[]) => Written;

const plain = (): Written => ({});

/** What each operator holds, as TensorFlow's own files have it. Source: tensorflow/core/ops, the converter's op_list. */
const writers: { readonly [Name in OperatorName]: Writer<Name> } = {
  AddV2: plain,
  AvgPool: ({ window, strides, padding }) => ({ attr: { ...pool(window, strides), padding: text(padding) } }),
  ConcatV2: ({ axis }, inputs) => ({
    attr: { N: { i: String(inputs.length) } },
    parameters: { axis: { shape: [], data: Int32Array.of(axis) } },
  }),
  Conv2D: (attributes) => ({ attr: convolution(attributes) }),
  DepthwiseConv2dNative: (attributes) => ({ attr: convolution(attributes) }),
  FusedBatchNormV3: ({ epsilon }) => ({
    attr: { epsilon: { f: epsilon }, is_training: { b: false }, data_format: text("NHWC") },
  }),
  Identity: plain,
  LogSoftmax: plain,
  MatMul: () => ({ attr: products }),
  MaxPool: ({ window, strides }) => ({ attr: { ...pool(window, strides), padding: text("VALID") } }),
  Mean: ({ axes, keepDims }) => ({ attr: { keep_dims: { b: keepDims } }, parameters: { axes: vector(axes) } }),
  Mul: plain,
  PadV2: ({ paddings, value }) => ({
    parameters: {
      paddings: { shape: [paddings.length, 2], data: Int32Array.from(paddings.flat()) },
      value: { shape: [], data: Float32Array.of(value) },
    },
  }),
  Relu: plain,
  Reshape: ({ shape }) => ({ parameters: { shape: vector(shape) } }),
  Sigmoid: plain,
  Slice: ({ begin, size }) => ({ parameters: { begin: vector(begin), size: vector(size) } }),
  Softmax: plain,
  Sum: ({ axes }) => ({ attr: { keep_dims: { b: false } }, parameters: { axes: vector(axes) } }),
  Transpose: ({ permutation }) => ({ parameters: { permutation: vector(permutation) } }),
  _FusedConv2D: ({ relu, ...attributes }) => ({
    attr: { ...convolution(attributes), ...fused(relu) },
  }),
  _FusedMatMul: ({ relu }) => ({ attr: { ...products, ...fused(relu) } }),
};

const products = { transpose_a: { b: false }, transpose_b: { b: false } };

function convolution({ strides, pads, dilations }: Operators["Conv2D"]): NodeDef["attr"] {
  return {
    data_format: text("NHWC"),
    strides: onImages(strides),
    dilations: onImages(dilations),
    ...padding(pads),
  };
}

function padding([top, left, bottom, right]: Pads): NodeDef["attr"] {
  if (top + left + bottom + right === 0) return { padding: text("VALID") };
  return { padding: text("EXPLICIT"), explicit_paddings: list([0, 0, top, bottom, left, right, 0, 0]) };
}

function pool(window: readonly [number, number], strides: readonly [number, number]): NodeDef["attr"] {
  return { data_format: text("NHWC"), ksize: onImages(window), strides: onImages(strides) };
}

function fused(relu: boolean): NodeDef["attr"] {
  const operators = relu ? ["BiasAdd", "Relu"] : ["BiasAdd"];
  return { fused_ops: { list: { s: operators.map(base64) } }, num_args: { i: "1" } };
}

function onImages([down, right]: readonly [number, number]): AttrValue {
  return list([1, down, right, 1]);
}

function list(numbers: readonly number[]): AttrValue {
  return { list: { i: numbers.map(String) } };
}

function text(value: string): AttrValue {
  return { s: base64(value) };
}

function base64(value: string): string {
  return globalThis.btoa(value);
}

function vector(numbers: readonly number[]): { shape: readonly number[]; data: Int32Array } {
  return { shape: [numbers.length], data: Int32Array.from(numbers) };
}
