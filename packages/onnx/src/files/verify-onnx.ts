import type { Hash } from "node:crypto";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Dimension, FormatError, type Shape, sizeOf, throwIfAborted, type WorkOptions } from "@residual/core";
import { MODEL_KEY, unseal, WEIGHTS_DIGEST_KEY } from "../export.ts";
import { LARGEST_BYTES } from "../external-data.ts";
import { dataTypes, EXTERNAL, type ExternalData, fields } from "../model-proto.ts";
import { type Field, fieldsOf } from "../protobuf.ts";
import type { ModelSource } from "../runtime/inference.ts";

/** The description of an .onnx file that Residual wrote. */
export interface OnnxSummary {
  /** The graph's name. */
  readonly model: string;
  /** `residual 0.1.0`. */
  readonly producer: string;
  /** SHA-256 of the model up to the entry with the digest, in hex: written and computed values are equal. */
  readonly sha256: string;
  /** Names of the weights, in file order. */
  readonly weights: readonly string[];
  readonly metadata: { readonly [key: string]: string };
  /** The shapes of the inputs, by name. */
  readonly inputs: { readonly [input: string]: Shape };
}

/**
 * Checks that graph and weights of a file from `writeOnnx` or `toOnnx` are unchanged: onnxruntime loads a file with
 * flipped bits, and returns wrong results. External weights are looked for in the folder of `path`.
 *
 * V1  the file ends in the digest of the model, and the model is valid protobuf with a graph.
 * V2  each tensor has the number of bytes of its shape.
 * V3  weights outside the model lie in one file of the same folder, within its size.
 * V4  the digests of the model and the weights file equal the written digests.
 *
 * Throws FormatError with the label of a violated rule, AbortError once the signal is aborted. Progress counts bytes.
 */
export async function verifyOnnx(source: string | Uint8Array, options: WorkOptions = {}): Promise<OnnxSummary> {
  return (await verified(source, options)).summary;
}

/** Like `verifyOnnx` of a file; also returns the checked bytes, so that later changes of the file have no effect. */
export async function readVerified(
  path: string,
  options: WorkOptions = {},
): Promise<{ readonly summary: OnnxSummary; readonly source: ModelSource }> {
  let weights: Uint8Array<ArrayBuffer> | undefined;
  const { summary, bytes, location } = await verified(path, options, (size) => {
    weights = new Uint8Array(size);
    return weights;
  });
  const model = new Uint8Array(bytes); // in separate memory, which may be transferred to a thread
  return { summary, source: { model, ...(weights && { externalData: { path: location!, data: weights } }) } };
}

interface Verified {
  readonly summary: OnnxSummary;
  /** The model's own file. */
  readonly bytes: Uint8Array;
  /** The name of the external weights file, if any. */
  readonly location: string | undefined;
}

/** `memoryFor` returns memory for the bytes of a weights file, if the caller wants them. */
async function verified(
  source: string | Uint8Array,
  options: WorkOptions,
  memoryFor?: (size: number) => Uint8Array,
): Promise<Verified> {
  throwIfAborted(options.signal);
  const bytes = typeof source === "string" ? await readModel(source) : source;
  const sealed = unseal(bytes);
  check(
    sealed !== undefined,
    "V1: the model does not end in its digest: it is cut short or changed, or another program wrote it",
  );
  const progress = new ByteProgress(options);
  const found = await digestOf(sealed.body, progress);
  checkDigest("model", found, sealed.digest);
  const model = parseModel(sealed.body);
  const outside = model.weights.flatMap(({ name, data }) => (data instanceof Uint8Array ? [] : [{ name, ...data }]));
  const [first] = outside;
  if (first) {
    const folder = typeof source === "string" ? dirname(source) : undefined;
    check(folder !== undefined, `V3: the weights lie in ${first.location}; verify the model by its path`);
    await using file = await openBeside(folder, first.location);
    for (const { name, location, offset, length } of outside) {
      check(location === first.location, `V3: ${name} lies in ${location}, other weights in ${first.location}`);
      const end = offset + length;
      check(end <= file.size, `V3: ${location} ends at byte ${file.size}, ${name} reaches to ${end}`);
    }
    const written = model.metadata[WEIGHTS_DIGEST_KEY] ?? "";
    checkDigest(first.location, await digestOfFile(file, progress, memoryFor?.(file.size)), written);
  }
  return {
    summary: {
      model: model.metadata[MODEL_KEY] ?? "",
      producer: model.producer.join(" "),
      sha256: found,
      weights: model.weights.map(({ name }) => name),
      metadata: model.metadata,
      inputs: model.inputs,
    },
    bytes,
    location: first?.location,
  };
}

function checkDigest(what: string, found: string, written: string): void {
  check(found === written, `V4: the SHA-256 of ${what} is ${found}, not ${written}: it is damaged, export it again`);
}

async function readModel(path: string): Promise<Uint8Array> {
  const { size, isFile } = await stat(path).then(
    (found) => ({ size: found.size, isFile: found.isFile() }),
    () => ({ size: 0, isFile: false }),
  );
  check(isFile, `V1: ${path} is not a file; check the path`);
  check(size <= LARGEST_BYTES, `V1: ${path} has ${size} bytes, expected at most ${LARGEST_BYTES}`);
  return readFile(path);
}

/** Bytes hashed in one turn of the event loop. */
const CHUNK = 4 << 20;

/** Reports progress in bytes over all files. */
class ByteProgress {
  readonly #work: WorkOptions;
  #done = 0;
  #total = 0;

  constructor(work: WorkOptions) {
    this.#work = work;
  }

  add(bytes: number): void {
    this.#total += bytes;
  }

  /** Yields to the event loop. Throws AbortError once the signal is aborted. */
  async advance(bytes: number): Promise<void> {
    this.#done += bytes;
    this.#work.onProgress?.({ stage: "verify", done: this.#done, total: this.#total });
    await new Promise((resolve) => setImmediate(resolve));
    throwIfAborted(this.#work.signal);
  }
}

/** Imported only when there is a file to verify: node:crypto takes 3 ms to load. */
async function sha256(): Promise<Hash> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256");
}

async function digestOf(bytes: Uint8Array, progress: ByteProgress): Promise<string> {
  const hash = await sha256();
  progress.add(bytes.length);
  for (let begin = 0; begin < bytes.length; begin += CHUNK) {
    const chunk = bytes.subarray(begin, begin + CHUNK);
    hash.update(chunk);
    await progress.advance(chunk.length);
  }
  return hash.digest("hex");
}

interface OpenFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly location: string;
  readonly size: number;
}

async function openBeside(folder: string, location: string): Promise<OpenFile> {
  const path = join(folder, location);
  const found = await stat(path).catch(() => undefined);
  // Opening a pipe would block.
  const size = found?.isFile() ? found.size : undefined;
  check(size !== undefined, `V3: ${location} with the weights is not a file beside the model`);
  const handle = await open(path);
  return { handle, location, size, [Symbol.asyncDispose]: () => handle.close() };
}

/** Reads a file, into `memory` if given. */
async function digestOfFile(
  { handle, location, size }: OpenFile,
  progress: ByteProgress,
  memory?: Uint8Array,
): Promise<string> {
  const hash = await sha256();
  const buffer = memory ?? new Uint8Array(Math.min(CHUNK, size));
  progress.add(size);
  for (let at = 0; at < size; ) {
    const place = memory ? at : 0;
    const { bytesRead } = await handle.read(buffer, place, Math.min(CHUNK, size - at), at);
    check(bytesRead > 0, `V3: ${location} ends at byte ${at}, expected ${size}`);
    hash.update(buffer.subarray(place, place + bytesRead));
    at += bytesRead;
    await progress.advance(bytesRead);
  }
  return hash.digest("hex");
}

interface StoredTensor {
  readonly name: string;
  readonly data: Uint8Array | ExternalData;
}

interface StoredModel {
  readonly producer: readonly string[];
  readonly metadata: { readonly [key: string]: string };
  readonly weights: readonly StoredTensor[];
  readonly inputs: { readonly [input: string]: Shape };
}

function parseModel(bytes: Uint8Array): StoredModel {
  const { producerName, producerVersion, metadata, graph: graphField } = fields.model;
  const model = collect(bytes, [producerName, producerVersion, metadata, graphField]);
  const { initializer, input } = fields.graph;
  const graph = collect(bytesIn(model, graphField), [initializer, input]);
  return {
    producer: [textIn(model, producerName), textIn(model, producerVersion)],
    metadata: entriesIn(model, metadata),
    weights: all(graph, initializer).flatMap(parseTensor),
    inputs: Object.fromEntries(all(graph, input).map(parseInput)),
  };
}

function parseInput(field: Field["value"]): readonly [name: string, shape: Shape] {
  const info = collect(asBytes(field));
  const type = collect(bytesIn(collect(bytesIn(info, fields.valueInfo.type)), fields.type.tensor));
  const shape = collect(bytesIn(type, fields.tensorType.shape));
  const sizes = all(shape, fields.shape.dimension).map((each) => parseSize(collect(asBytes(each))));
  return [textIn(info, fields.valueInfo.name), sizes];
}

/** A size, or the name of an open one: the batch, which Residual calls N. */
function parseSize(dimension: Message): Dimension {
  return dimension.has(fields.dimension.parameter) ? "N" : numberIn(dimension, fields.dimension.value);
}

/** Weights; undefined for integers, which some operators take as inputs. */
function parseTensor(value: Field["value"]): StoredTensor[] {
  const tensor = collect(asBytes(value));
  const field = fields.tensor;
  if (numberIn(tensor, field.dataType) !== dataTypes.float) return [];
  const name = textIn(tensor, field.name);
  const data =
    numberIn(tensor, field.dataLocation) === EXTERNAL ? parseExternal(tensor) : bytesIn(tensor, field.rawData);
  const expected = 4 * sizeOf(all(tensor, field.dims).map(asNumber));
  check(data.length === expected, `V2: ${name} has ${data.length} bytes, its shape needs ${expected}`);
  return [{ name, data }];
}

function parseExternal(tensor: Message): ExternalData {
  const { location = "", offset = "0", length = "" } = entriesIn(tensor, fields.tensor.externalData);
  const beside = /^[^/\\\0]+$/.test(location) && location !== "..";
  check(beside, `V3: ${JSON.stringify(location.slice(0, 100))} is not the name of a file in the model's folder`);
  const whole = /^\d{1,15}$/.test(offset) && /^\d{1,15}$/.test(length);
  check(whole, `V3: offset ${offset.slice(0, 100)} and length ${length.slice(0, 100)} are not whole numbers`);
  return { location, offset: Number(offset), length: Number(length) };
}

/** The values of a message by field number. */
type Message = ReadonlyMap<number, readonly Field["value"][]>;

/** The most fields of a message: far more than any network has, and few enough to bound memory for a small file. */
const MOST_FIELDS = 2 ** 17;

/** The wanted fields; default all. */
function collect(bytes: Uint8Array, wanted?: readonly number[]): Message {
  const message = new Map<number, Field["value"][]>();
  let count = 0;
  for (const { number, value } of fieldsOf(bytes)) {
    check(++count <= MOST_FIELDS, `V1: more than ${MOST_FIELDS} fields in one message`);
    if (wanted && !wanted.includes(number)) continue;
    const values = message.get(number);
    if (values) values.push(value);
    else message.set(number, [value]);
  }
  return message;
}

function all(message: Message, field: number): readonly Field["value"][] {
  return message.get(field) ?? [];
}

/** The last value counts, as in any protobuf reader. */
function bytesIn(message: Message, field: number): Uint8Array {
  return asBytes(all(message, field).at(-1) ?? new Uint8Array());
}

function textIn(message: Message, field: number): string {
  return new TextDecoder().decode(bytesIn(message, field));
}

function numberIn(message: Message, field: number): number {
  return asNumber(all(message, field).at(-1) ?? 0n);
}

function entriesIn(message: Message, field: number): { readonly [key: string]: string } {
  return Object.fromEntries(
    all(message, field).map((each) => {
      const entry = collect(asBytes(each));
      return [textIn(entry, fields.entry.key), textIn(entry, fields.entry.value)] as const;
    }),
  );
}

function asBytes(value: Field["value"]): Uint8Array {
  check(typeof value !== "bigint", "V1: found a number, expected bytes");
  return value;
}

function asNumber(value: Field["value"]): number {
  const fits = typeof value === "bigint" && value <= BigInt(Number.MAX_SAFE_INTEGER);
  check(fits, "V1: a size is not a number, negative or too large");
  return Number(value);
}

/** `problem` begins with the label of the violated rule; the message ends with the label. */
function check(holds: boolean, problem: string): asserts holds {
  const [, label, found] = /^(V\d): (.*)$/s.exec(problem) ?? [];
  if (!holds) throw new FormatError(`${found} (onnx.${label})`);
}
