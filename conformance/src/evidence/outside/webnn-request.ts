import { held, type Operand, permuted } from "./operand.ts";
import { noOp, type Refusal } from "./refusal.ts";
import type { BinaryRequest, Conv2dRequest, PoolRequest, Recorded, Request } from "./request.ts";

type Two = readonly [number, number];
/** WebNN's order of padding: begin and end of the height, then of the width. */
type Ends = readonly [top: number, bottom: number, left: number, right: number];

/** The attributes of WebNN's operators, by WebNN's names; each operator has some of them. */
export interface WebnnArguments {
  readonly input?: Operand;
  readonly inputs?: readonly Operand[];
  readonly a?: Operand;
  readonly b?: Operand;
  readonly c?: Operand;
  readonly filter?: Operand;
  readonly mean?: Operand;
  readonly variance?: Operand;
  readonly scale?: Operand;
  readonly bias?: Operand;
  readonly axis?: number;
  readonly axes?: readonly number[];
  readonly epsilon?: number;
  readonly alpha?: number;
  readonly beta?: number;
  readonly aTranspose?: boolean;
  readonly bTranspose?: boolean;
  readonly minValue?: number;
  readonly maxValue?: number;
  readonly padding?: Ends;
  readonly strides?: readonly number[];
  readonly dilations?: Two;
  readonly groups?: number;
  readonly inputLayout?: string;
  readonly filterLayout?: string;
  readonly layout?: string;
  readonly windowDimensions?: Two;
  readonly beginningPadding?: readonly number[];
  readonly endingPadding?: readonly number[];
  readonly mode?: string;
  readonly value?: number;
  readonly newShape?: readonly number[];
  readonly starts?: readonly number[];
  readonly sizes?: readonly number[];
}

/** NHWC and NCHW differ only in the order of the data. */
const toChannelsFirst: readonly number[] = [0, 3, 1, 2];

const filterAxes: { readonly [layout: string]: readonly number[] } = {
  oihw: [0, 1, 2, 3],
  hwio: [3, 2, 0, 1],
  ohwi: [0, 3, 1, 2],
  ihwo: [3, 0, 1, 2],
};

/** Converts a call of WebNN to a request, with defaults filled in. */
export function webnnCall(
  operator: string,
  given: WebnnArguments,
  expected: Operand,
): Omit<Recorded, "making"> | Refusal {
  const last = (given.inputLayout ?? given.layout) === "nhwc";
  const first = (each: Operand) => (last ? permuted(each, toChannelsFirst) : each);
  const answer = first(expected);
  if (operator === "conv2d") return { request: conv2d(given, first(given.input!)), expected: answer };
  if (operator.endsWith("Pool2d"))
    return { request: pool(operator, given, first(given.input!), answer), expected: answer };
  if (/quantizeLinear/i.test(operator)) return noOp([operator], `${operator}: no quantized ops`);
  if (operator.startsWith("reduce")) return { request: reduce(operator, given), expected };
  const make = requests[operator];
  if (!make) throw new RangeError(`${operator} of WebNN is not read`);
  return { request: make(given, expected), expected };
}

function conv2d(given: WebnnArguments, x: Operand): Conv2dRequest {
  const { filter, bias, strides = [1, 1], padding, dilations = [1, 1], groups = 1, filterLayout = "oihw" } = given;
  const weight = permuted(filter!, filterAxes[filterLayout]!);
  const attributes = { stride: strides as Two, padding: sidesOf(padding), dilation: dilations, groups };
  return { kind: "conv2d", x, weight, bias, ...attributes };
}

function pool(operator: string, given: WebnnArguments, x: Operand, { shape }: Operand): PoolRequest {
  const { windowDimensions: window, strides = [1, 1], padding, dilations = [1, 1] } = given;
  const of = operator === "maxPool2d" ? "max" : "average";
  const attributes = { stride: strides as Two, padding: sidesOf(padding), dilation: dilations };
  return { kind: "pool", of, x, window, ...attributes, size: [shape[2]!, shape[3]!] };
}

function sidesOf([top, bottom, left, right]: Ends = [0, 0, 0, 0]): Conv2dRequest["padding"] {
  return [top, left, bottom, right];
}

function reduce(operator: string, { input, axes }: WebnnArguments): Request {
  const of = operator.slice("reduce".length);
  return { kind: "reduce", of, x: input!, axes: axes ?? [...input!.shape.keys()] };
}

const binary =
  (of: BinaryRequest["of"]) =>
  ({ a, b }: WebnnArguments): Request => ({ kind: "binary", of, a: a!, b: b! });

const requests: { readonly [operator: string]: (given: WebnnArguments, expected: Operand) => Request } = {
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  min: binary("min"),
  pow: binary("pow"),
  relu: ({ input }) => ({ kind: "unary", of: "relu", x: input! }),
  sigmoid: ({ input }) => ({ kind: "unary", of: "sigmoid", x: input! }),
  leakyRelu: ({ input, alpha = 0.01 }) => ({ kind: "leakyRelu", x: input!, alpha }),
  clamp: ({ input, minValue, maxValue }) => ({ kind: "clamp", x: input!, least: minValue, most: maxValue }),
  concat: ({ inputs, axis }) => ({ kind: "concat", parts: inputs!, axis: axis! }),
  matmul: ({ a, b }) => ({ kind: "matmul", a: a!, b: held(b!) }),
  reshape: ({ input }, { shape }) => ({ kind: "reshape", x: input!, shape }),
  softmax: ({ input, axis }) => ({ kind: "softmax", x: input!, axis: axis! }),
  transpose: ({ input }) => ({ kind: "transpose", x: input! }),
  batchNormalization: ({ input, axis = 1, mean, variance, scale, bias, epsilon = 1e-5 }) => ({
    kind: "batchNorm",
    x: input!,
    axis,
    mean: mean!,
    variance: variance!,
    scale,
    shift: bias,
    epsilon,
    training: false,
  }),
  gemm: ({ a, b, c, alpha = 1, beta = 1, aTranspose, bTranspose }) => ({
    kind: "gemm",
    a: aTranspose ? permuted(a!, [1, 0]) : a!,
    b: held(bTranspose ? permuted(b!, [1, 0]) : b!),
    c: c && held(c),
    alpha,
    beta,
  }),
  pad: ({ input, beginningPadding, endingPadding, mode = "constant", value = 0 }) => ({
    kind: "pad",
    x: input!,
    before: beginningPadding!,
    after: endingPadding!,
    mode,
    value,
  }),
  slice: ({ input, starts, sizes, strides }) => ({
    kind: "slice",
    x: input!,
    starts: starts!,
    ends: starts!.map((start, axis) => start + sizes![axis]!),
    steps: strides ?? starts!.map(() => 1),
  }),
};
