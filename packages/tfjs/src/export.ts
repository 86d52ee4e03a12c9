import {
  type Graph,
  optimize,
  sizeOf,
  throwIfAborted,
  UnsupportedError,
  version,
  type WorkOptions,
} from "@residual/core";
import { dialectOf, type EngineName } from "./dialects.ts";
import { graphDefOf, type NamedParameter } from "./graph-def.ts";
import { copyToLayout, RowBuffer } from "./layout.ts";
import { lowerToProgram } from "./lower.ts";
import { tensorShape } from "./node-def.ts";
import type { Program, Weight } from "./program.ts";
import { type QuantizationName, type Quantized, quantize } from "./quantize.ts";

export interface GraphModelOptions {
  /**
   * The engine to optimize the file for: convolutions in groups have a form for CPUs and another for GPUs. Any engine
   * runs both. Default "wasm"
   */
  readonly engine?: EngineName;
  /** The storage of kernels and matrices; default: float32, exact. Vectors always stay float32. */
  readonly quantization?: QuantizationName;
  /** tfjs returns it as `userDefinedMetadata`, such as labels or preprocessing. */
  readonly metadata?: { readonly [key: string]: string };
}

/** A summary of the written model. */
export interface GraphModelReport {
  /** Of all files. */
  readonly bytes: number;
  readonly shards: number;
  /** Errors of the quantization, if any. */
  readonly quantization?: QuantizationReport;
}

export interface QuantizationReport {
  readonly dtype: QuantizationName;
  /** The weight with the largest error relative to the largest number of its tensor. */
  readonly worst: { readonly weight: string; readonly error: number; readonly largest: number };
  /** √(Σ(stored − given)² / Σgiven²), over all quantized numbers. */
  readonly relative: number;
}

/** A file of a graph model, by its name. */
export interface GraphModelFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The size of tfjs's own converter; browsers cache files up to this size. */
const SHARD_BYTES = 4 << 20;

/**
 * A graph as a TensorFlow.js graph model, file by file: shards of weights of at most 4 MiB, and finally `model.json`.
 * `tf.loadGraphModel` loads it without Residual. It has the graph's inputs and outputs, in NCHW, under the same names,
 * and gives the same bits as Residual's executable on `engine`. Each weight is read just before it is written.
 *
 * Throws UnsupportedError for open parameters, for variables with an update, and for numbers beyond the range of a
 * quantization; AbortError once the signal is aborted; errors of sources.
 */
export function graphModelFiles(
  graph: Graph,
  { engine = "wasm", ...options }: GraphModelOptions & WorkOptions = {},
): AsyncGenerator<GraphModelFile, GraphModelReport> {
  // tfjs's loader supports no padding per side for pools, but explicit paddings for convolutions, on every engine.
  // It has no operators for the gradients of weights and max pools.
  const gradients = { weightGradients: "convolution", poolGradients: "comparisons" } as const;
  const dialect = { ...dialectOf(engine), padsConvolutions: true, padsPools: false, ...gradients };
  return programFiles(lowerToProgram(optimize(graph), dialect), options);
}

/** As graphModelFiles, from a program in a dialect that pads no pools. */
export async function* programFiles(
  program: Program,
  { quantization, metadata, signal, onProgress }: Omit<GraphModelOptions, "engine"> & WorkOptions = {},
): AsyncGenerator<GraphModelFile, GraphModelReport> {
  checkNoUpdates(program);
  const { nodes, parameters } = graphDefOf(program);
  const entries = [...program.weights, ...parameters];
  const total = entries.reduce((sum, entry) => sum + bytesAsStored(entry, quantization), 0);
  const count = Math.max(Math.ceil(total / SHARD_BYTES), 1);
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const shards = new Shards(paths);
  const buffer = new RowBuffer();
  const error = new Errors();
  const manifest: ManifestEntry[] = [];
  for (const [done, entry] of entries.entries()) {
    throwIfAborted(signal);
    onProgress?.({ stage: "write", done, total: entries.length });
    const { bytes, ...stored } = await store(entry, quantization, buffer, error);
    manifest.push(stored);
    yield* shards.push(bytes);
  }
  yield* shards.rest();
  const model = {
    format: "graph-model",
    generatedBy: `residual ${version}`,
    convertedBy: `residual ${version}`,
    signature: signatureOf(program),
    userDefinedMetadata: { ...metadata, ...keysOf(program) },
    modelTopology: { node: nodes, library: {}, versions: { producer: 1087 } },
    weightsManifest: [{ paths, weights: manifest }],
  };
  const json = new TextEncoder().encode(JSON.stringify(model));
  yield { name: "model.json", bytes: json };
  onProgress?.({ stage: "write", done: entries.length, total: entries.length });
  return {
    bytes: total + json.length,
    shards: count,
    ...(quantization && { quantization: error.report(quantization) }),
  };
}

/** Refuses variables with an update: a TensorFlow.js graph model has no state. */
function checkNoUpdates({ name, variables: [first] }: Program): void {
  if (!first) return;
  throw new UnsupportedError(
    `tfjs: ${name} updates the variable ${first.name}, and a graph model holds variables as constants; ` +
      "export the graph without its updates",
  );
}

/** A graph model in memory: its files by name. Throws as graphModelFiles does. */
export async function toGraphModel(
  graph: Graph,
  options: GraphModelOptions & WorkOptions = {},
): Promise<{ readonly files: { readonly [name: string]: Uint8Array }; readonly report: GraphModelReport }> {
  const files: { [name: string]: Uint8Array } = {};
  const writing = graphModelFiles(graph, options);
  for (;;) {
    const next = await writing.next();
    if (next.done) return { files, report: next.value };
    files[next.value.name] = next.value.bytes;
  }
}

interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
  readonly quantization?: Quantized["quantization"];
}

function isQuantized(entry: Weight | NamedParameter): entry is Weight {
  return "source" in entry && entry.shape.length > 1;
}

function bytesAsStored(entry: Weight | NamedParameter, quantization: QuantizationName | undefined): number {
  const each = quantization && isQuantized(entry) ? { uint8: 1, float16: 2 }[quantization] : 4;
  return each * sizeOf(entry.shape);
}

async function store(
  entry: Weight | NamedParameter,
  quantization: QuantizationName | undefined,
  buffer: RowBuffer,
  errors: Errors,
): Promise<ManifestEntry & { readonly bytes: Uint8Array }> {
  const { name, shape } = entry;
  if (!("source" in entry)) {
    const { data } = entry;
    return { name, shape, dtype: data instanceof Int32Array ? "int32" : "float32", bytes: viewAsBytes(data) };
  }
  const numbers = new Float32Array(sizeOf(shape));
  await copyToLayout(entry, () => numbers, buffer);
  if (!quantization || !isQuantized(entry)) return { name, shape, dtype: "float32", bytes: viewAsBytes(numbers) };
  const quantized = quantize(name, numbers, quantization);
  errors.add(name, numbers, quantized);
  return { name, shape, dtype: "float32", quantization: quantized.quantization, bytes: quantized.bytes };
}

/** Little-endian, as on every supported machine. */
function viewAsBytes({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Splits bytes into files of equal size; the last may be shorter. */
class Shards {
  readonly #paths: readonly string[];
  #written = 0;
  #filled = 0;
  #shard: Uint8Array = new Uint8Array(SHARD_BYTES);

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  *push(bytes: Uint8Array): Generator<GraphModelFile> {
    for (let from = 0; from < bytes.length; ) {
      const length = Math.min(bytes.length - from, SHARD_BYTES - this.#filled);
      this.#shard.set(bytes.subarray(from, from + length), this.#filled);
      this.#filled += length;
      from += length;
      if (this.#filled === SHARD_BYTES) yield this.#take();
    }
  }

  /** The remaining bytes; an empty file if there were none at all. */
  *rest(): Generator<GraphModelFile> {
    if (this.#written < this.#paths.length) yield this.#take();
  }

  #take(): GraphModelFile {
    const bytes = this.#shard.subarray(0, this.#filled);
    this.#shard = new Uint8Array(SHARD_BYTES);
    this.#filled = 0;
    return { name: this.#paths[this.#written++]!, bytes };
  }
}

/** The errors of the quantization so far. */
class Errors {
  #worst = { weight: "", error: 0, largest: 1 };
  #squares = 0;
  #given = 0;

  add(weight: string, numbers: Float32Array, { error, squares }: Quantized): void {
    let largest = 0;
    for (const value of numbers) {
      largest = Math.max(largest, Math.abs(value));
      this.#given += value * value;
    }
    this.#squares += squares;
    const isWorse = error * this.#worst.largest > this.#worst.error * largest || this.#worst.weight === "";
    if (isWorse) this.#worst = { weight, error, largest };
  }

  report(dtype: QuantizationName): QuantizationReport {
    return { dtype, worst: this.#worst, relative: Math.sqrt(this.#squares / (this.#given || 1)) };
  }
}

/** With this signature `predict` returns an object of tensors by name if there are several, instead of an array. */
function keysOf({ outputs }: Program): { readonly structuredOutputKeys?: readonly string[] } {
  return outputs.length > 1 ? { structuredOutputKeys: outputs.map(({ name }) => name) } : {};
}

/** The inputs and outputs, by the graph's names. */
function signatureOf({ inputs, outputs }: Program): object {
  const shapeOf = (shape: Program["inputs"][number]["shape"]) => ({
    dtype: "DT_FLOAT",
    tensorShape: tensorShape(shape),
  });
  const tensors = (values: readonly { name: string; from: string; shape: Program["inputs"][number]["shape"] }[]) =>
    Object.fromEntries(values.map(({ name, from, shape }) => [name, { name: `${from}:0`, ...shapeOf(shape) }]));
  return { inputs: tensors(inputs.map((each) => ({ ...each, from: each.name }))), outputs: tensors(outputs) };
}
