import { readFileSync } from "node:fs";
import { type Tensor, tensorOf } from "@residual/core";

/** PyTorch's recorded answers; their README says how they were made. */
const folder = `${import.meta.dirname}/../../../../conformance/golden`;

export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(`${folder}/${path}`, "utf8")) as T;
}

/** A case of a single operator. */
export interface OpGolden {
  readonly id: string;
  readonly op: string;
  readonly attrs: {
    readonly kernel: readonly [number, number];
    readonly stride: readonly [number, number];
    readonly pads: readonly [number, number, number, number];
    readonly dilation: readonly [number, number];
    readonly groups: number;
    readonly epsilon: number;
  };
  /** In float32. */
  readonly inputs: { readonly [name: string]: Tensor<"float32"> };
  /** In float64. */
  readonly outputs: { readonly [name: string]: Tensor<"float64"> };
}

interface Listed extends Omit<OpGolden, "inputs" | "outputs"> {
  readonly file: string;
  readonly inputs: { readonly [name: string]: { readonly tensor: string } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string } };
}

/** The cases of single operators of some kinds. */
export function opGoldens(...kinds: readonly string[]): readonly OpGolden[] {
  const { cases } = readGolden<{ readonly cases: readonly Listed[] }>("ops/index.json");
  return cases
    .filter(({ op }) => kinds.includes(op))
    .map(({ file, ...golden }) => {
      const read = readTensors(`ops/${file}`);
      const all = (listed: Listed["inputs"]) =>
        Object.fromEntries(Object.entries(listed).map(([name, { tensor }]) => [name, read(tensor)]));
      return { ...golden, inputs: all(golden.inputs), outputs: all(golden.outputs) } as unknown as OpGolden;
    });
}

interface Entry {
  readonly dtype: "F32" | "F64" | "I32";
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Reads a safetensors file, without the checks that files of strangers need. */
function readTensors(path: string): (name: string) => Tensor {
  const bytes = readFileSync(`${folder}/${path}`);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString("utf8", 8, start)) as { [name: string]: Entry };
  return (name) => {
    const { dtype, shape, data_offsets: range } = entries[name]!;
    const { buffer } = Uint8Array.from(bytes.subarray(start + range[0], start + range[1]));
    if (dtype === "F64") return tensorOf("float64", shape, new Float64Array(buffer));
    if (dtype === "F32") return tensorOf("float32", shape, new Float32Array(buffer));
    return tensorOf("float32", shape, Float32Array.from(new Int32Array(buffer)));
  };
}

/** What is recorded of a tensor of a training run. */
export interface Recorded {
  /** The root of the sum of squares; of parameters and gradients. */
  readonly l2?: number;
  /** The values at the indices (k · 1000003) mod length. */
  readonly samples: readonly number[];
}

/** The difference of PyTorch's own float32 run from float64, relative to the largest value of a tensor. */
interface OwnError {
  readonly worst: number;
}

/** A run of three steps. */
export interface TrainingGolden {
  readonly model: { readonly name: string };
  readonly salt: string;
  readonly input: { readonly name: string; readonly shape: readonly [number, number, number, number] };
  readonly labels: readonly number[];
  readonly sgd: { readonly lr: number; readonly momentum: number; readonly weight_decay: number };
  /** Of each step, and after the last. */
  readonly losses: readonly number[];
  readonly grads: { readonly [parameter: string]: Recorded };
  readonly steps: readonly {
    readonly params: { readonly [parameter: string]: Recorded };
    readonly buffers: { readonly [statistic: string]: Recorded };
  }[];
  readonly fp32: {
    readonly lossAbs: readonly number[];
    readonly gradMaxOverMax: OwnError;
    readonly paramMaxOverMax: readonly OwnError[];
    readonly bufferMaxOverMax: readonly OwnError[];
  };
}
