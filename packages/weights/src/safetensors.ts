import { FormatError, formatShape, UnsupportedError } from "@residual/core";
import { byteSizes, isStoredDType, type StoredDType } from "./dtypes.ts";
import { JsonReader, quote } from "./json-reader.ts";
import type { FormatReader } from "./layout.ts";
import type { TensorEntry } from "./tensor-entry.ts";

export interface Header {
  /** In the header's order, which need not be that of the data. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes before the header: its length, as a 64-bit little-endian number. */
export const prefixLength = 8;

/** The reference implementation's own limit, in bytes. */
export const longestHeader = 100_000_000;

/** More than any model here has: bounds the memory that a header of that length can ask for. */
const most = { tensors: 100_000, metadata: 10_000, axes: 64 } as const;

/** Where the tensors of a safetensors file lie. Throws FormatError as `parseHeader` does. */
export const safetensorsLayout: FormatReader = async (file) => {
  const prefix = await file.read(0, Math.min(file.size, prefixLength));
  const offset = prefixLength + headerLength(prefix, file.size, file.name);
  const header = await file.read(prefixLength, offset - prefixLength);
  const { entries, metadata } = parseHeader(header, file.size - offset, file.name);
  return { stretches: [{ file, offset, entries }], metadata };
};

/**
 * The length of the header in bytes, from the first 8 bytes of a file of `fileLength` bytes.
 * Throws FormatError where the file is too short for it or it is over 100 MB; `file` names it in the message.
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
 * What a header says, once all of it holds: a JSON object that starts at once, no key twice, known dtypes, and tensors
 * that cover `dataLength` bytes of data without hole or overlap. Allocates no more than the header's own size suggests.
 * Throws FormatError, which names `file` and the tensor. Source: https://huggingface.co/docs/safetensors, and
 * `Metadata::validate` of its Rust implementation.
 */
export function parseHeader(bytes: Uint8Array, dataLength: number, file: string): Header {
  const header = readHeader(decodeText(bytes, file), file);
  for (const entry of header.entries) checkEntry(entry, dataLength, file);
  checkCoverage(header.entries, dataLength, file);
  return header;
}

/** Refuses a file, with the way out. */
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

// fromEntries defines properties, so that a key `__proto__` is a key like any other.
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

/** In bytes; undefined where a step of the product leaves the safe integers. */
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
