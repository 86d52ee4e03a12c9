import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Dimension, FormatError, type Shape, sizeOf, throwIfAborted, type WorkOptions } from "@residual/core";
import { DIGEST_KEY, MODEL_KEY } from "../export.ts";
import { LARGEST_BYTES } from "../external-data.ts";
import { dataTypes, EXTERNAL, type ExternalData, fields } from "../model-proto.ts";
import { type Field, fieldsOf } from "../protobuf.ts";

/** What an .onnx file that Residual wrote says of itself. */
export interface OnnxSummary {
  /** The graph's name. */
  readonly model: string;
  /** `residual 0.1.0`. */
  readonly producer: string;
  /** SHA-256 over the weights, in hex, as it was written and found again. */
  readonly weightsSha256: string;
  /** Names of the weights, in their order. */
  readonly weights: readonly string[];
  readonly metadata: { readonly [key: string]: string };
  /** The shapes of what goes in, by name. */
  readonly inputs: { readonly [input: string]: Shape };
}

/**
 * Checks that the weights of a file from `writeOnnx` or `toOnnx` are the ones that were written: onnxruntime itself
 * loads a file with flipped bits, and answers with other numbers. Weights outside the model are looked for beside
 * `path`.
 *
 * V1  the file is protobuf, a graph lies in it, and it names the digest of its weights.
 * V2  each tensor has the bytes that its shape takes.
 * V3  weights outside the model lie in a file of the same folder, within its size, and none twice.
 * V4  the weights have the digest that was written.
 *
 * Throws FormatError where one does not hold, AbortError once the signal is aborted.
 */
export async function verifyOnnx(source: string | Uint8Array, options: WorkOptions = {}): Promise<OnnxSummary> {
  throwIfAborted(options.signal);
  const bytes = typeof source === "string" ? await readModel(source) : source;
  const model = parseModel(bytes);
  const written = model.metadata[DIGEST_KEY];
  check(written !== undefined, `V1: the model names no ${DIGEST_KEY}: it is cut short, or another program wrote it`);
  const found = await digest(model.weights, typeof source === "string" ? dirname(source) : undefined, options);
  check(
    found === written,
    `V4: the weights' SHA-256 is ${found}, not ${written}: the file is damaged, export it again`,
  );
  return {
    model: model.metadata[MODEL_KEY] ?? "",
    producer: model.producer.join(" "),
    weightsSha256: found,
    weights: model.weights.map(({ name }) => name),
    metadata: model.metadata,
    inputs: model.inputs,
  };
}

async function readModel(path: string): Promise<Uint8Array> {
  const { size, isFile } = await stat(path).then(
    (found) => ({ size: found.size, isFile: found.isFile() }),
    () => ({ size: 0, isFile: false }),
  );
  check(isFile, `V1: ${path} is no file; check the path`);
  check(size <= LARGEST_BYTES, `V1: ${path} has ${size} bytes, a model at most ${LARGEST_BYTES}`);
  return readFile(path);
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
  const model = collect(bytes);
  const graph = collect(bytesIn(model, fields.model.graph));
  return {
    producer: [textIn(model, fields.model.producerName), textIn(model, fields.model.producerVersion)],
    metadata: entriesIn(model, fields.model.metadata),
    weights: all(graph, fields.graph.initializer).map(asBytes).map(collect).filter(isFloat).map(parseTensor),
    inputs: Object.fromEntries(all(graph, fields.graph.input).map(asBytes).map(collect).map(parseInput)),
  };
}

function parseInput(info: Message): readonly [name: string, shape: Shape] {
  const type = collect(bytesIn(collect(bytesIn(info, fields.valueInfo.type)), fields.type.tensor));
  const shape = collect(bytesIn(type, fields.tensorType.shape));
  const sizes = all(shape, fields.shape.dimension).map(asBytes).map(collect);
  return [textIn(info, fields.valueInfo.name), sizes.map(parseSize)];
}

/** A size, or the name of one that is open: the batch, which Residual calls N. */
function parseSize(dimension: Message): Dimension {
  return dimension.has(fields.dimension.parameter) ? "N" : numberIn(dimension, fields.dimension.value);
}

function isFloat(tensor: Message): boolean {
  return numberIn(tensor, fields.tensor.dataType) === dataTypes.float;
}

function parseTensor(tensor: Message): StoredTensor {
  const field = fields.tensor;
  const name = textIn(tensor, field.name);
  const data =
    numberIn(tensor, field.dataLocation) === EXTERNAL ? parseExternal(tensor) : bytesIn(tensor, field.rawData);
  const expected = 4 * sizeOf(all(tensor, field.dims).map(asNumber));
  check(data.length === expected, `V2: ${name} has ${data.length} bytes, its shape takes ${expected}`);
  return { name, data };
}

function parseExternal(tensor: Message): ExternalData {
  const { location = "", offset = "0", length = "" } = entriesIn(tensor, fields.tensor.externalData);
  const beside = /^[^/\\\0]+$/.test(location) && location !== "..";
  check(beside, `V3: ${JSON.stringify(location.slice(0, 100))} is not the name of a file beside the model`);
  const whole = /^\d{1,15}$/.test(offset) && /^\d{1,15}$/.test(length);
  check(whole, `V3: offset ${offset.slice(0, 100)} and length ${length.slice(0, 100)} are not whole numbers`);
  return { location, offset: Number(offset), length: Number(length) };
}

async function digest(
  weights: readonly StoredTensor[],
  folder: string | undefined,
  work: WorkOptions,
): Promise<string> {
  const hash = createHash("sha256");
  await using files = new BesideFiles(folder);
  for (const [done, { data }] of weights.entries()) {
    throwIfAborted(work.signal);
    work.onProgress?.({ stage: "verify", done, total: weights.length });
    if (data instanceof Uint8Array) hash.update(data);
    else await files.hash(data, hash);
  }
  return hash.digest("hex");
}

/** Bytes read at a time. */
const CHUNK = 1 << 20;

/**
 * The files that the weights of a model lie in. Each byte may be read once, so that a small model cannot ask for hours.
 */
class BesideFiles {
  readonly #folder: string | undefined;
  readonly #open = new Map<string, { file: FileHandle; left: number }>();
  readonly #buffer = new Uint8Array(CHUNK);

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  async hash({ location, offset, length }: ExternalData, hash: Hash): Promise<void> {
    const opened = await this.#at(location);
    opened.left -= length;
    check(opened.left >= 0, `V3: the weights in ${location} take more bytes than it has`);
    for (let at = offset; at < offset + length; ) {
      const wanted = Math.min(CHUNK, offset + length - at);
      const { bytesRead } = await opened.file.read(this.#buffer, 0, wanted, at);
      check(bytesRead > 0, `V3: ${location} ends at byte ${at}, weights reach to ${offset + length}`);
      hash.update(this.#buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  async #at(location: string): Promise<{ file: FileHandle; left: number }> {
    const known = this.#open.get(location);
    if (known) return known;
    check(this.#folder !== undefined, `V3: the weights lie in ${location}; verify the model by its path`);
    const path = join(this.#folder, location);
    const found = await stat(path).catch(() => undefined);
    // A pipe would never open.
    check(found?.isFile() === true, `V3: ${location} with the weights is not a file beside the model`);
    const opened = { file: await open(path), left: found.size };
    this.#open.set(location, opened);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { file } of this.#open.values()) await file.close();
  }
}

/** A message's values by their field's number. */
type Message = ReadonlyMap<number, readonly Field["value"][]>;

function collect(bytes: Uint8Array): Message {
  const message = new Map<number, Field["value"][]>();
  for (const { number, value } of fieldsOf(bytes)) {
    const values = message.get(number);
    if (values) values.push(value);
    else message.set(number, [value]);
  }
  return message;
}

function all(message: Message, field: number): readonly Field["value"][] {
  return message.get(field) ?? [];
}

/** The last one counts, as in any protobuf reader. */
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
  const entries = all(message, field).map(asBytes).map(collect);
  return Object.fromEntries(
    entries.map((entry) => [textIn(entry, fields.entry.key), textIn(entry, fields.entry.value)]),
  );
}

function asBytes(value: Field["value"]): Uint8Array {
  check(typeof value !== "bigint", "V1: a number where bytes are expected");
  return value;
}

function asNumber(value: Field["value"]): number {
  const fits = typeof value === "bigint" && value <= BigInt(Number.MAX_SAFE_INTEGER);
  check(fits, "V1: a size that is no number, or negative, or too large");
  return Number(value);
}

function check(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new FormatError(`onnx.${problem}`);
}
