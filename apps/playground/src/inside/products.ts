import {
  type AnyNode,
  type AttributesOf,
  type InputsOf,
  type ModelOpName,
  mapValues,
  type OpName,
  type RealTensor,
  type Tensor,
  tensor,
  toFloat64,
} from "@residual/core";

import type { Explanation, Patch, Place, Term, Window } from "./explanation.ts";

type Given = Tensor<"float32">;

/** What an explanation reads: inputs by the op's names, with a batch of one image. */
type Explain<Name extends OpName> = (
  inputs: InputsOf<Name, Given>,
  attributes: AttributesOf<Name>,
  at: Place,
  limit: number,
) => Explanation;

const explanations: { readonly [Name in ModelOpName]: Explain<Name> } = {
  conv2d: convolution,
  fusedConv2d: (inputs, attributes, at, limit) => ({
    ...convolution(inputs, attributes, at, limit),
    ...(inputs.residual && { residual: numberAt(inputs.residual, at) }),
    relu: attributes.relu,
  }),
  linear: ({ x, weight, bias }, _, at, limit) => {
    const inner = weight.shape[1]!;
    const terms = Array.from({ length: inner }, (_, channel) =>
      termOf(channel, [x.data[channel]!], [weight.data[at.channel * inner + channel]!]),
    );
    const window = { top: 0, left: 0, height: 1, width: 1, of: [1, 1] } as const;
    return { ...sumOf(terms, [1, 1], window, limit), ...biasOf(bias, at) };
  },
  batchNorm: ({ x, scale, shift, mean, variance }, { epsilon }, at) => {
    const of = ({ data }: Given) => data[at.channel]!;
    const gain = of(scale) / Math.sqrt(of(variance) + epsilon);
    const statistics = { mean: of(mean), variance: of(variance), epsilon, scale: of(scale), shift: of(shift) };
    return { kind: "norm", x: numberAt(x, at), ...statistics, gain };
  },
  relu: ({ x }, _, at) => ({ kind: "function", name: "relu", x: numberAt(x, at) }),
  sigmoid: ({ x }, _, at) => ({ kind: "function", name: "sigmoid", x: numberAt(x, at) }),
  add: ({ a, b }, _, at) => ({ kind: "join", sign: "+", a: numberAt(a, at), b: numberAt(b, at) }),
  multiply: (inputs, _, at) => {
    const { x, gate } = inputsAlone(inputs, at);
    return { kind: "join", sign: "×", a: x!.data[0]!, b: gate!.data[0]! };
  },
  maxPool2d: ({ x }, { window, stride, padding }, at) => pooled("max", x, at, window, cornerOf(at, stride, padding)),
  averagePool2d: ({ x }, { window, stride }, at) => pooled("mean", x, at, window, cornerOf(at, stride, [0, 0])),
  globalAveragePool: ({ x }, _, at) => pooled("mean", x, at, [sizes(x)[2], sizes(x)[3]], [0, 0]),
  softmax: ({ x }, _, at) => exponentials(x, at, false),
  logSoftmax: ({ x }, _, at) => exponentials(x, at, true),
  flatten: ({ x }, _, { channel }) => {
    const [, , height, width] = sizes(x);
    const [plane, within] = [Math.floor(channel / (height * width)), channel % (height * width)];
    return { kind: "copy", from: { channel: plane, row: Math.floor(within / width), column: within % width } };
  },
  subsample: (_, { stride }, { channel, row, column }) => {
    return { kind: "copy", from: { channel, row: row * stride[0], column: column * stride[1] } };
  },
  padChannels: ({ x }, { before }, at) => copied(x, { ...at, channel: at.channel - before }),
  zeroPad2d: ({ x }, { padding: [top, left] }, at) => copied(x, { ...at, row: at.row - top, column: at.column - left }),
};

/**
 * How a node's number at a place comes about. `limit` is the number of terms of a sum that are given in full.
 */
export function explain(
  { op, attributes }: Pick<AnyNode, "op" | "attributes">,
  inputs: { readonly [input: string]: Given },
  at: Place,
  limit: number,
): Explanation {
  return rowOf(op)(inputs, attributes, at, limit);
}

/** A row of the table, for a node whose op is known only at run time. */
function rowOf(op: string) {
  return explanations[op as ModelOpName] as (
    inputs: { readonly [input: string]: Given },
    attributes: AnyNode["attributes"],
    at: Place,
    limit: number,
  ) => Explanation;
}

type Sum = Extract<Explanation, { kind: "sum" }>;

function convolution(
  { x, weight, bias }: InputsOf<"conv2d", Given>,
  { stride, padding, dilation, groups }: AttributesOf<"conv2d">,
  at: Place,
  limit: number,
): Sum {
  const [outputs, perGroup, kh, kw] = sizes(weight);
  const [top, left] = cornerOf(at, stride, padding);
  const first = Math.floor(at.channel / (outputs / groups)) * perGroup;
  const size = kh * kw;
  const terms = Array.from({ length: perGroup }, (_, c) => {
    const start = (at.channel * perGroup + c) * size;
    const kernel = Array.from(weight.data.subarray(start, start + size));
    return termOf(first + c, patchOf(x, first + c, top, left, [kh, kw], dilation), kernel);
  });
  const [height, width] = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
  const window = { top, left, height, width, of: [sizes(x)[2], sizes(x)[3]] } as const;
  return { ...sumOf(terms, [kh, kw], window, limit), ...biasOf(bias, at) };
}

function pooled(
  how: "max" | "mean",
  x: Given,
  { channel }: Place,
  size: readonly [number, number],
  [top, left]: readonly [number, number],
): Explanation {
  const window = { top, left, height: size[0], width: size[1], of: [sizes(x)[2], sizes(x)[3]] } as const;
  return { kind: "window", how, size, window, patch: patchOf(x, channel, top, left, size) };
}

const termOf = (channel: number, patch: Patch, kernel: readonly number[]): Term => ({
  channel,
  patch,
  kernel,
  sum: kernel.reduce((sum, weight, i) => sum + weight * (patch[i] ?? 0), 0),
});

function sumOf(terms: readonly Term[], kernel: readonly [number, number], window: Window, limit: number): Sum {
  const ranked = terms.toSorted((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const rest = ranked.slice(limit);
  return {
    kind: "sum",
    kernel,
    window,
    terms: ranked.slice(0, limit),
    channels: ranked.map(({ channel }) => channel),
    sums: ranked.map(({ sum }) => sum),
    rest: { count: rest.length, sum: rest.reduce((total, { sum }) => total + sum, 0) },
    products: terms.length * kernel[0] * kernel[1],
    relu: false,
  };
}

const biasOf = (bias: Given | undefined, { channel }: Place) => (bias ? { bias: bias.data[channel]! } : {});

function exponentials(x: Given, at: Place, log: boolean): Explanation {
  const { data } = toFloat64(x);
  return { kind: "softmax", log, x: numberAt(x, at), total: data.reduce((sum, each) => sum + Math.exp(each), 0) };
}

function copied(x: Given, from: Place): Explanation {
  const [, channels, height, width] = sizes(x);
  const { channel, row, column } = from;
  const isInside = [channel, row, column].every((each) => each >= 0);
  return isInside && channel < channels && row < height && column < width ? { kind: "copy", from } : { kind: "copy" };
}

/** Ops that keep a position: each number comes from the numbers at the same place. */
export const inPlace: ReadonlySet<string> = new Set(["batchNorm", "relu", "sigmoid", "add", "multiply"]);

/** The inputs of one number of an op that keeps a position, as tensors of one number. */
export function inputsAlone(
  inputs: { readonly [input: string]: Given },
  at: Place,
): { readonly [input: string]: Given } {
  return mapValues(inputs, (given) => {
    if (given.shape.length === 1) return tensor([1], [given.data[at.channel]!]); // one for each channel
    const [, , height, width] = sizes(given);
    const isGate = height * width === 1;
    return tensor([1, 1, 1, 1], [numberAt(given, isGate ? { ...at, row: 0, column: 0 } : at)]);
  });
}

/** The four sizes of an image tensor; [N, C] counts as [N, C, 1, 1]. */
function sizes({ shape }: RealTensor): readonly [number, number, number, number] {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return [n, c, h, w];
}

export function numberAt(x: RealTensor, { channel, row, column }: Place): number {
  const [, , height, width] = sizes(x);
  return x.data[(channel * height + row) * width + column]!;
}

function cornerOf({ row, column }: Place, stride: readonly [number, number], padding: readonly number[]) {
  return [row * stride[0] - padding[0]!, column * stride[1] - padding[1]!] as const;
}

function patchOf(
  x: Given,
  channel: number,
  top: number,
  left: number,
  [rows, columns]: readonly [number, number],
  [down, right]: readonly [number, number] = [1, 1],
): Patch {
  const [, , height, width] = sizes(x);
  return Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [top + Math.floor(i / columns) * down, left + (i % columns) * right];
    const isInside = row >= 0 && column >= 0 && row < height && column < width;
    return isInside ? numberAt(x, { channel, row, column }) : null;
  });
}

/** The number that an explanation comes to, in float64. `copied` is the number that a copy takes over. */
export function resultOf(explanation: Explanation, copied: number): number {
  switch (explanation.kind) {
    case "sum": {
      const { sums, bias = 0, residual = 0, relu } = explanation;
      const total = sums.reduceRight((sum, each) => sum + each, 0) + bias + residual;
      return relu ? Math.max(total, 0) : total;
    }
    case "norm":
      return (explanation.x - explanation.mean) * explanation.gain + explanation.shift;
    case "join":
      return explanation.sign === "+" ? explanation.a + explanation.b : explanation.a * explanation.b;
    case "window": {
      const seen = explanation.patch.filter((each) => each !== null);
      if (explanation.how === "max") return Math.max(...seen);
      return seen.reduce((sum, each) => sum + each, 0) / seen.length;
    }
    case "function":
      return explanation.name === "relu" ? Math.max(explanation.x, 0) : 1 / (1 + Math.exp(-explanation.x));
    case "softmax": {
      const log = explanation.x - Math.log(explanation.total);
      return explanation.log ? log : Math.exp(log);
    }
    case "copy":
      return explanation.from ? copied : 0;
  }
}
