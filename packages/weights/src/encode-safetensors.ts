import { type DType, FormatError, formatShape, isTensor, type NamedSource, sizeOf, type Tensor } from "@residual/core";
import { byteSizes, type StoredDType } from "./dtypes.ts";
import { isWellFormed, quote } from "./json-reader.ts";
import { prefixLength } from "./safetensors.ts";

/** By name, in the file's order. */
export type Named<T> = ReadonlyMap<string, T> | Readonly<Record<string, T>>;
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
export function encodeSafetensors(tensors: Named<Tensor>, metadata: Metadata = {}): Uint8Array[] {
  const { header, data } = layOut(tensors, metadata);
  return [header, ...data.map(bytesOf)];
}

/** The header of a file, and the order of its data. */
export function layOut<T extends NamedSource>(
  tensors: Named<T>,
  metadata: Metadata,
): { header: Uint8Array; data: T[] } {
  const named: [string, T][] = isMap(tensors) ? [...tensors] : Object.entries(tensors);
  for (const [name, source] of named) checkSource(name, source);
  const laid = named.toSorted(([, a], [, b]) => widthOf(b) - widthOf(a));
  const begins = new Map<string, number>();
  let length = 0;
  for (const [name, source] of laid) {
    begins.set(name, length);
    length += byteLength(source);
  }
  const members = named.map(([name, source]) => `${JSON.stringify(name)}:${entryText(source, begins.get(name)!)}`);
  if (Object.keys(metadata).length > 0) members.unshift(`"__metadata__":${metadataText(metadata)}`);
  return { header: encodeHeader(`{${members.join()}}`), data: laid.map(([, source]) => source) };
}

/** `instanceof` alone would make it a map of anything to anything. */
function isMap<T>(tensors: Named<T>): tensors is ReadonlyMap<string, T> {
  return tensors instanceof Map;
}

function widthOf({ dtype }: NamedSource): number {
  return byteSizes[storedAs[dtype]];
}

export function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function byteLength(source: NamedSource): number {
  return sizeOf(source.shape) * widthOf(source);
}

function entryText(source: NamedSource, begin: number): string {
  const { dtype, shape } = source;
  return JSON.stringify({ dtype: storedAs[dtype], shape, data_offsets: [begin, begin + byteLength(source)] });
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

function checkSource(name: string, source: NamedSource): void {
  checkName(name, "the tensor name");
  if (name === "__metadata__")
    throw new FormatError("a tensor cannot be named __metadata__, which is the format's own");
  const { dtype, shape } = source;
  const expected = byteLength(source);
  if (!isTensor(source) || source.data.byteLength === expected) return;
  const found = `holds ${source.data.byteLength} bytes (a detached buffer holds none)`;
  throw new FormatError(`tensor ${quote(name)} ${found}, expected ${expected} for ${dtype} ${formatShape(shape)}`);
}

function checkName(text: string, what: string): void {
  if (isWellFormed(text)) return;
  throw new FormatError(`${what} ${quote(text)} holds half a surrogate pair, which UTF-8 cannot; rename it`);
}
