import { readFileSync } from "node:fs";
import { type Tensor, tensorOf, toFloat64 } from "../ir/tensor.ts";

/** PyTorch's recorded answers; their README says how they were made. */
const folder = `${import.meta.dirname}/../../../../conformance/golden`;

export interface OpGolden {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly attrs: { readonly [name: string]: unknown };
  readonly inputs: { readonly [name: string]: { readonly tensor: string } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string } };
}

export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(`${folder}/${path}`, "utf8")) as T;
}

/** The cases of single operators of some kinds. */
export function opGoldens(...kinds: readonly string[]): readonly OpGolden[] {
  return readGolden<{ cases: OpGolden[] }>("ops/index.json").cases.filter(({ op }) => kinds.includes(op));
}

/** The inputs and outputs of a case, in float64. Labels are numbers too. */
export function tensorsOf(golden: OpGolden): { readonly [name: string]: Tensor<"float64"> } {
  const file = readTensors(`ops/${golden.file}`);
  const named = { ...golden.inputs, ...golden.outputs };
  return Object.fromEntries(Object.entries(named).map(([name, { tensor }]) => [name, file(tensor)]));
}

interface Entry {
  readonly dtype: "F32" | "F64" | "I32";
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Reads a safetensors file, without the checks that files of strangers need. */
function readTensors(path: string): (name: string) => Tensor<"float64"> {
  const bytes = readFileSync(`${folder}/${path}`);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const entries = JSON.parse(bytes.toString("utf8", 8, start)) as { [name: string]: Entry };
  return (name) => {
    const {
      dtype,
      shape,
      data_offsets: [first, end],
    } = entries[name]!;
    const { buffer } = Uint8Array.from(bytes.subarray(start + first, start + end));
    if (dtype === "F64") return tensorOf("float64", shape, new Float64Array(buffer));
    if (dtype === "F32") return toFloat64(tensorOf("float32", shape, new Float32Array(buffer)));
    return tensorOf("float64", shape, Float64Array.from(new Int32Array(buffer)));
  };
}
