import type { OnnxAttributes } from "./onnx-proto.ts";
import { type Operand, permuted } from "./operand.ts";
import { noOp, type Refusal } from "./refusal.ts";
import type {
  BinaryRequest,
  Conv2dRequest,
  GemmRequest,
  PadRequest,
  PoolRequest,
  Request,
  SliceRequest,
  UnaryRequest,
} from "./request.ts";

/** A node with its numbers. Optional inputs that are left out are undefined. */
export interface OnnxNode {
  readonly inputs: readonly (Operand | undefined)[];
  readonly attributes: OnnxAttributes;
  readonly expected: Operand;
}

type Rule = (node: OnnxNode) => Request | Refusal;

export function onnxRequest(operator: string, node: OnnxNode): Request | Refusal {
  const rule = rules[operator];
  if (!rule) throw new RangeError(`${operator} of ONNX is not read`);
  return rule(node);
}

const binary =
  (of: BinaryRequest["of"]): Rule =>
  ({ inputs: [a, b] }) => ({ kind: "binary", of, a: a!, b: b! });

const unary =
  (of: UnaryRequest["of"]): Rule =>
  ({ inputs: [x] }) => ({ kind: "unary", of, x: x! });

const quantized =
  (operator: string): Rule =>
  () =>
    noOp([operator], `${operator}: no quantized ops`);

const pool =
  (of: PoolRequest["of"]): Rule =>
  (node) =>
    poolOf(of, node);

const reshape: Rule = ({ inputs: [x], expected }) => ({ kind: "reshape", x: x!, shape: expected.shape });

const rules: { readonly [operator: string]: Rule } = {
  Add: binary("add"),
  Sub: binary("sub"),
  Mul: binary("mul"),
  Div: binary("div"),
  Relu: unary("relu"),
  Sigmoid: unary("sigmoid"),
  Sqrt: unary("sqrt"),
  Identity: unary("identity"),
  AveragePool: pool("average"),
  MaxPool: pool("max"),
  GlobalAveragePool: globalPool("average"),
  GlobalMaxPool: globalPool("max"),
  Flatten: reshape,
  Reshape: reshape,
  DequantizeLinear: quantized("dequantizeLinear"),
  QuantizeLinear: quantized("quantizeLinear"),
  QLinearConv: quantized("quantizedConv2d"),
  Conv: conv2d,
  Gemm: gemm,
  Pad: pad,
  Slice: slice,
  BatchNormalization: ({ inputs: [x, scale, shift, mean, variance], attributes }) => ({
    kind: "batchNorm",
    x: x!,
    axis: 1,
    mean: mean!,
    variance: variance!,
    scale: scale!,
    shift: shift!,
    epsilon: numberOf(attributes, "epsilon", 1e-5),
    training: numberOf(attributes, "training_mode", 0) === 1,
  }),
  Clip: ({ inputs: [x, least, most] }) => ({ kind: "clamp", x: x!, least: least?.data[0], most: most?.data[0] }),
  Concat: ({ inputs, attributes }) => ({
    kind: "concat",
    parts: inputs as readonly Operand[],
    axis: numberOf(attributes, "axis", 0),
  }),
  LeakyRelu: ({ inputs: [x], attributes }) => ({
    kind: "leakyRelu",
    x: x!,
    alpha: numberOf(attributes, "alpha", 0.01),
  }),
  MatMul: ({ inputs: [a, b] }) => ({ kind: "matmul", a: a!, b: b! }),
  ReduceMean: ({ inputs: [x, axes] }) => ({
    kind: "reduce",
    of: "Mean",
    x: x!,
    axes: axes ? [...axes.data] : [...x!.shape.keys()],
  }),
  Softmax: ({ inputs: [x], attributes }) => ({ kind: "softmax", x: x!, axis: numberOf(attributes, "axis", -1) }),
  Transpose: ({ inputs: [x] }) => ({ kind: "transpose", x: x! }),
};

function numberOf(attributes: OnnxAttributes, name: string, otherwise: number): number {
  const value = attributes[name];
  return typeof value === "number" ? value : otherwise;
}

function listOf(attributes: OnnxAttributes, name: string, otherwise: readonly number[]): readonly number[] {
  const value = attributes[name];
  return Array.isArray(value) ? (value as readonly number[]) : otherwise;
}

function conv2d({ inputs: [x, weight, bias], attributes }: OnnxNode): Conv2dRequest {
  return {
    kind: "conv2d",
    x: x!,
    weight: weight!,
    bias,
    stride: listOf(attributes, "strides", [1, 1]) as Conv2dRequest["stride"],
    padding: listOf(attributes, "pads", [0, 0, 0, 0]) as Conv2dRequest["padding"],
    dilation: listOf(attributes, "dilations", [1, 1]) as Conv2dRequest["dilation"],
    groups: numberOf(attributes, "group", 1),
  };
}

/** A signal [N, C, W] is an image of one row. */
function poolOf(of: PoolRequest["of"], { inputs: [x], attributes, expected }: OnnxNode): PoolRequest {
  const row = x!.shape.length === 3;
  const both = (name: string) => listOf(attributes, name, row ? [1] : [1, 1]);
  const pair = (sizes: readonly number[]) => (row ? [1, sizes[0]!] : sizes) as PoolRequest["stride"];
  const window = pair(listOf(attributes, "kernel_shape", []));
  const stride = pair(both("strides"));
  const image = row ? { ...x!, shape: [...x!.shape.slice(0, 2), 1, x!.shape[2]!] } : x!;
  const size = pair(expected.shape.slice(2));
  const given = listOf(attributes, "pads", []);
  const pads = row && given.length > 0 ? [0, given[0]!, 0, given[1]!] : given;
  const same = attributes.auto_pad === "SAME_UPPER" ? samePadding(image.shape, window, stride, size) : undefined;
  const padding = (same ?? (pads.length > 0 ? pads : [0, 0, 0, 0])) as PoolRequest["padding"];
  return { kind: "pool", of, x: image, window, stride, padding, dilation: pair(both("dilations")), size };
}

/** The padding that gives the output size. An odd pixel goes to the bottom and right. */
function samePadding(
  shape: readonly number[],
  window: readonly number[],
  stride: readonly number[],
  size: readonly number[],
): readonly number[] {
  const totals = [0, 1].map((axis) =>
    Math.max((size[axis]! - 1) * stride[axis]! + window[axis]! - shape[axis + 2]!, 0),
  );
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

function globalPool(of: PoolRequest["of"]): Rule {
  return ({ inputs: [x] }) => ({
    kind: "pool",
    of,
    x: x!,
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    size: [1, 1],
  });
}

function gemm({ inputs: [a, b, c], attributes }: OnnxNode): GemmRequest {
  const plain = (each: Operand, flag: string) => (numberOf(attributes, flag, 0) === 1 ? permuted(each, [1, 0]) : each);
  const [alpha, beta] = [numberOf(attributes, "alpha", 1), numberOf(attributes, "beta", 1)];
  return { kind: "gemm", a: plain(a!, "transA"), b: plain(b!, "transB"), c, alpha, beta };
}

/** `pads` is an attribute up to opset 10, and an input from opset 11 on. */
function pad({ inputs: [x, pads, value, axes], attributes }: OnnxNode): PadRequest {
  const sizes = pads ? [...pads.data] : listOf(attributes, "pads", []);
  const named = axes ? [...axes.data] : [...x!.shape.keys()];
  const side = (from: number) => [...x!.shape.keys()].map((axis) => sizes[named.indexOf(axis) + from] ?? 0);
  const start = side(0).map((size, axis) => (named.includes(axis) ? size : 0));
  const end = side(named.length).map((size, axis) => (named.includes(axis) ? size : 0));
  const mode = typeof attributes.mode === "string" ? attributes.mode : "constant";
  return {
    kind: "pad",
    x: x!,
    before: start,
    after: end,
    mode,
    value: value?.data[0] ?? numberOf(attributes, "value", 0),
  };
}

/** An end beyond the axis is cut to the axis's size. A negative end counts from the end of the axis. */
function slice({ inputs: [x, starts, ends, axes, steps] }: OnnxNode): SliceRequest {
  const named = axes ? [...axes.data] : [...starts!.data.keys()];
  const pick = (list: Operand | undefined, otherwise: (size: number) => number) =>
    x!.shape.map((size, axis) => {
      const at = named.findIndex((each) => (each < 0 ? each + x!.shape.length : each) === axis);
      const value = at < 0 || !list ? otherwise(size) : list.data[at]!;
      return Math.min(value < 0 ? value + size : value, size);
    });
  return {
    kind: "slice",
    x: x!,
    starts: pick(starts, () => 0),
    ends: pick(ends, (size) => size),
    steps: pick(steps, () => 1),
  };
}
