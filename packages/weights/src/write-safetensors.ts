import { type DType, FormatError, formatShape, sizeOf, type Tensor, type WorkOptions } from "@residual/core";
import { byteSizes, type StoredDType } from "./dtypes.ts";
import { isWellFormed, quote } from "./json-reader.ts";
import { prefixLength } from "./safetensors.ts";

export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;
export type Metadata = Readonly<Record<string, string>>;

const storedAs = { float32: "F32", float64: "F64", int32: "I32", int64: "I64", uint8: "U8" } as const satisfies Record<
  DType,
  StoredDType
>;

/**
 * The bytes of a safetensors file, in pieces to be joined: the header, then views on the tensors' own data. The header
 * lists the tensors in the order given; the data of wider dtypes come first, so that each tensor is aligned.
 * Throws FormatError for a tensor whose data are not of its dtype and shape, and for names that the format cannot hold.
 */
export function encodeSafetensors(tensors: NamedTensors, metadata: Metadata = {}): Uint8Array[] {
  const named = isMap(tensors) ? [...tensors] : Object.entries(tensors);
  for (const [name, tensor] of named) checkTensor(name, tensor);
  const laid = named.toSorted(([, a], [, b]) => widthOf(b) - widthOf(a));
  const begins = new Map<string, number>();
  let length = 0;
  for (const [name, { data }] of laid) {
    begins.set(name, length);
    length += data.byteLength;
  }
  const members = named.map(([name, tensor]) => `${JSON.stringify(name)}:${entryText(tensor, begins.get(name)!)}`);
  if (Object.keys(metadata).length > 0) members.unshift(`"__metadata__":${metadataText(metadata)}`);
  return [encodeHeader(`{${members.join()}}`), ...laid.map(([, tensor]) => bytesOf(tensor))];
}

/**
 * Writes tensors as a safetensors file, for `readWeights` to give back bit for bit. `path` holds the old file or the whole
 * new one at any time. `options.onProgress` counts bytes.
 * Throws FormatError as encodeSafetensors does and where `path` cannot be written, AbortError.
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Metadata = {},
  options: WorkOptions = {},
): Promise<void> {
  const { writeAtomic } = await import("@residual/kit/files"); // not in browsers
  await writeAtomic([{ path, pieces: encodeSafetensors(tensors, metadata) }], { ...options, stage: "write weights" });
}

/** `instanceof` alone would make it a map of anything to anything. */
function isMap(tensors: NamedTensors): tensors is ReadonlyMap<string, Tensor> {
  return tensors instanceof Map;
}

function widthOf({ dtype }: Tensor): number {
  return byteSizes[storedAs[dtype]];
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function entryText({ dtype, shape, data }: Tensor, begin: number): string {
  return JSON.stringify({ dtype: storedAs[dtype], shape, data_offsets: [begin, begin + data.byteLength] });
}

function metadataText(metadata: Metadata): string {
  for (const [key, value] of Object.entries<unknown>(metadata)) {
    checkName(key, "the metadata key");
    if (typeof value !== "string")
      throw new FormatError(`metadata ${quote(key)}: found ${typeof value}, expected a string`);
    checkName(value, "the metadata value");
  }
  return JSON.stringify(metadata);
}

/** The length, then the text, filled up with spaces so that the data start at a multiple of 8 bytes. */
function encodeHeader(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const length = Math.ceil(encoded.length / 8) * 8;
  const header = new Uint8Array(prefixLength + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(encoded, prefixLength);
  return header;
}

function checkTensor(name: string, tensor: Tensor): void {
  checkName(name, "the tensor name");
  if (name === "__metadata__")
    throw new FormatError("a tensor cannot be named __metadata__, which is the format's own");
  const { dtype, shape, data } = tensor;
  const expected = sizeOf(shape) * widthOf(tensor);
  if (data.byteLength === expected) return;
  const found = `holds ${data.byteLength} bytes (a detached buffer holds none)`;
  throw new FormatError(`tensor ${quote(name)} ${found}, expected ${expected} for ${dtype} ${formatShape(shape)}`);
}

function checkName(text: string, what: string): void {
  if (isWellFormed(text)) return;
  throw new FormatError(`${what} ${quote(text)} holds half a surrogate pair, which UTF-8 cannot; rename it`);
}
