import { readFileSync } from "node:fs";
import {
  type AnyNode,
  differentiate,
  type Graph,
  graph,
  input,
  ops,
  type Pads,
  type Tensor,
  tensorOf,
  type Value,
} from "@residual/core";

const folder = new URL("../../../../conformance/golden/ops/", import.meta.url);

/** PyTorch's attributes, as the goldens write them. */
interface Attributes {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pads: Pads;
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly epsilon: number;
}

interface Listed {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly attrs: Attributes;
  readonly inputs: { readonly [name: string]: { readonly tensor: string } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string } };
}

/** One op, differentiated by its inputs, with PyTorch's answers. */
export interface GradientGolden {
  readonly id: string;
  readonly op: string;
  readonly attributes: Attributes;
  /** Its outputs are `y` and the gradient of each input but `dy`, the gradient of y. */
  readonly graph: Graph;
  readonly inputs: { readonly [name: string]: Tensor<"float32"> };
  /** By the graph's outputs. */
  readonly expected: { readonly [output: string]: Tensor<"float64"> };
}

/** The op of each kind of case; the inputs have PyTorch's names. */
const kinds: { readonly [kind: string]: (inputs: { [name: string]: Value }, attributes: Attributes) => AnyNode } = {
  conv2d_grad: ({ x, w, b }, { stride, pads, dilation, groups }) =>
    ops.conv2d({ x: x!, weight: w!, bias: b }, { stride, padding: pads, dilation, groups }),
  batch_norm_train({ x, gamma, beta }, { epsilon }) {
    const mean = ops.batchMean({ x: x! });
    const variance = ops.batchVariance({ x: x!, mean });
    return ops.batchNorm({ x: x!, scale: gamma!, shift: beta!, mean, variance }, { epsilon });
  },
  max_pool2d_grad: ({ x }, { kernel, stride, pads }) =>
    ops.maxPool2d({ x: x! }, { window: kernel, stride, padding: pads }),
  relu_grad: ({ x }) => ops.relu({ x: x! }),
  global_avg_pool_grad: ({ x }) => ops.globalAveragePool({ x: x! }),
  linear_grad: ({ x, w, b }) => ops.linear({ x: x!, weight: w!, bias: b }),
};

/** PyTorch's name for the gradient of each input. */
const gradientNames: { readonly [input: string]: string } = {
  x: "dx",
  w: "dw",
  b: "db",
  gamma: "dgamma",
  beta: "dbeta",
};

/** PyTorch's recorded gradients of single ops (conformance/golden/ops), for the tests of backends. */
export function gradientGoldens(): readonly GradientGolden[] {
  const text = readFileSync(new URL("index.json", folder), "utf8");
  const { cases } = JSON.parse(text) as { readonly cases: readonly Listed[] };
  return cases.filter(({ op }) => op in kinds).map(goldenOf);
}

function goldenOf({ id, op, file, attrs, inputs, outputs }: Listed): GradientGolden {
  const read = readerOf(file);
  const by = Object.keys(inputs).filter((name) => name in gradientNames);
  const single = (name: string): [string, Tensor<"float32">] => {
    const { shape, data } = read(inputs[name]!.tensor);
    return [name, tensorOf("float32", shape, Float32Array.from(data))];
  };
  const given = Object.fromEntries([...by, "dy"].map(single));
  const values = Object.fromEntries(by.map((name) => [name, input(name, given[name]!.shape)]));
  const forward = graph({ name: id, inputs: values, outputs: { y: kinds[op]!(values, attrs) } });
  const gradients = by.map((name) => [`${name}.gradient`, read(outputs[gradientNames[name]!]!.tensor)] as const);
  return {
    id,
    op,
    attributes: attrs,
    graph: differentiate(forward, { of: "y", by, seed: "dy" }),
    inputs: given,
    expected: Object.fromEntries([["y", read(outputs.y!.tensor)], ...gradients]),
  };
}

/** Reads a safetensors file of F32 and F64 tensors. It is ours, so nothing is checked. */
function readerOf(file: string): (name: string) => Tensor<"float64"> {
  const bytes = readFileSync(new URL(file, folder));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString("utf8", 8, start)) as {
    [name: string]: { dtype: "F32" | "F64"; shape: number[]; data_offsets: [number, number] };
  };
  return (name) => {
    const { dtype, shape, data_offsets: range } = entries[name]!;
    const { buffer } = Uint8Array.from(bytes.subarray(start + range[0], start + range[1]));
    const data = dtype === "F64" ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer));
    return tensorOf("float64", shape, data);
  };
}
