import { FormatError, formatShape, UnsupportedError } from "@residual/core";
import { byteSizes, isStoredDType, type StoredDType } from "./dtypes.ts";
import { JsonReader, quote } from "./json-reader.ts";
import type { FormatReader } from "./layout.ts";
import type { TensorEntry } from "./tensor-entry.ts";

export interface Header {
  /** The entries in the header's order, which may differ from the order of the data. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The number of bytes before the header. They hold its length, as a 64-bit little-endian number. */
export const prefixLength = 8;

/** In bytes. The reference implementation has the same limit. */
export const longestHeader = 100_000_000;

/** Limits above all models here. They bound the memory that a header can request. */
const most = { tensors: 100_000, metadata: 10_000, axes: 64 } as const;

/** The layout of a safetensors file. Throws FormatError as `parseHeader` does. */
export const safetensorsLayout: FormatReader = async (file) => {
  const prefix = await file.read(0, Math.min(file.size, prefixLength));
  const offset = prefixLength + headerLength(prefix, file.size, file.name);
  const header = await file.read(prefixLength, offset - prefixLength);
  const { entries, metadata } = parseHeader(header, file.size - offset, file.name);
  return { stretches: [{ file, offset, entries }], metadata };
};

/**
 * The length of the header in bytes, from the first 8 bytes of a file of `fileLength` bytes. Throws FormatError if the
 * file is too short for the header, or if the header exceeds 100 MB. `file` is the file's name in the message.
 */
export function headerLength(prefix: Uint8Array, fileLength: number, file: string): number {
  if (fileLength < prefixLength || prefix.length < prefixLength) {
    refuse(file, `found ${fileLength} bytes, expected at least ${prefixLength}`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, prefixLength).getBigUint64(0, true);
  const most = Math.min(longestHeader, fileLength - prefixLength);
  if (length > most) refuse(file, `its header claims ${length} bytes, expected at most ${most}`);
  return Number(length);
}

/**
 * Parses and checks a header. It must be a JSON object without space before it, without duplicate keys, and with known
 * dtypes. The tensors must cover `dataLength` bytes of data without gaps or overlaps. Memory is proportional to the
 * header's size.
 *
 * Throws FormatError, whose message names `file` and the tensor. Source: https://huggingface.co/docs/safetensors, and
 * `Metadata::validate` of its Rust implementation.
 */
export function parseHeader(bytes: Uint8Array, dataLength: number, file: string): Header {
  const header = readHeader(decodeText(bytes, file), file);
  for (const entry of header.entries) checkEntry(entry, dataLength, file);
  checkCoverage(header.entries, dataLength, file);
  return header;
}

/** Throws FormatError with the problem and a remedy. */
function refuse(file: string, problem: string): never {
  throw new FormatError(`${file}: ${problem}; it is damaged or no safetensors file: download or save it again`);
}

function decodeText(bytes: Uint8Array, file: string): string {
  if (bytes[0] !== 0x7b) refuse(file, `its header starts with ${byteText(bytes[0])}, expected "{"`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof TypeError) refuse(file, "its header is not UTF-8");
    throw cause;
  }
}

function byteText(byte: number | undefined): string {
  return byte === undefined ? "nothing" : `byte 0x${byte.toString(16).padStart(2, "0")}`;
}

function readHeader(text: string, file: string): Header {
  const entries: TensorEntry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  let tensor: string | undefined;
  const fail = (problem: string) =>
    refuse(file, `${tensor === undefined ? "its header" : subjectOf(tensor)}: ${problem}`);
  const reader = new JsonReader(text, fail);
  reader.object((name) => {
    tensor = name;
    if (name === metadataKey) metadata = reader.isNull() ? {} : readMetadata(reader, file);
    else entries.push(readEntry(reader, name, file, fail));
    checkCount(entries.length, "tensors", file);
    tensor = undefined;
  });
  reader.end();
  return { entries, metadata };
}

const metadataKey = "__metadata__";

function subjectOf(name: string): string {
  return name === metadataKey ? `its ${name}` : `tensor ${quote(name)}`;
}

// fromEntries defines properties, so that a key `__proto__` is an ordinary key.
function readMetadata(reader: JsonReader, file: string): Record<string, string> {
  const pairs: [string, string][] = [];
  reader.object((key) => {
    pairs.push([key, reader.string()]);
    checkCount(pairs.length, "metadata", file);
  });
  return Object.fromEntries(pairs);
}

function checkCount(count: number, what: keyof typeof most, file: string): void {
  if (count <= most[what]) return;
  throw new UnsupportedError(
    `${file}: its header has more than ${most[what]} ${what}, expected fewer, as a network has`,
  );
}

function readEntry(reader: JsonReader, name: string, file: string, fail: (problem: string) => never): TensorEntry {
  const whole = (count: number) => {
    checkCount(count, "axes", file);
    return reader.whole();
  };
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  reader.object((key) => {
    if (key === "dtype") dtype = reader.string();
    else if (key === "shape") shape = reader.array(whole);
    else if (key === "data_offsets") offsets = reader.array(whole);
    else fail(`found the key ${quote(key)}, expected dtype, shape and data_offsets alone`);
  });
  if (dtype === undefined || !shape || !offsets) return fail("expected dtype, shape and data_offsets, one is missing");
  if (!isStoredDType(dtype))
    return fail(`dtype ${quote(dtype)} is unknown, expected ${Object.keys(byteSizes).join(", ")}`);
  const [begin, end, ...more] = offsets;
  if (end === undefined || more.length > 0) return fail(`found ${offsets.length} data_offsets, expected 2`);
  return { name, dtype, shape, begin: begin!, end };
}

function checkEntry({ name, dtype, shape, begin, end }: TensorEntry, dataLength: number, file: string): void {
  if (begin > end || end > dataLength) {
    refuse(file, `${subjectOf(name)}: data_offsets [${begin}, ${end}] lie outside the ${dataLength} bytes of data`);
  }
  const size = byteSize(shape, dtype);
  if (size !== end - begin) {
    const found = `data_offsets [${begin}, ${end}] hold ${end - begin} bytes`;
    refuse(file, `${subjectOf(name)}: ${found}, expected ${size ?? "over 2^53"} for ${dtype} ${formatStart(shape)}`);
  }
}

/** The size of a tensor in bytes; undefined if the product exceeds the safe integers. */
function byteSize(shape: readonly number[], dtype: StoredDType): number | undefined {
  let size: number = byteSizes[dtype];
  for (const length of shape) {
    size *= length;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return size;
}

function formatStart(shape: readonly number[]): string {
  return shape.length > 8 ? `${formatShape(shape.slice(0, 8))}×…` : formatShape(shape);
}

function checkCoverage(entries: readonly TensorEntry[], dataLength: number, file: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      refuse(file, `tensor ${quote(name)}: begins at byte ${begin} of the data, expected ${covered}`);
    covered = end;
  }
  if (covered !== dataLength) refuse(file, `its tensors end at byte ${covered} of the data, which holds ${dataLength}`);
}
