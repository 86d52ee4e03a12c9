import { FormatError, sizeOf, type Tensor, UnsupportedError } from "@residual/core";
import { decodeTensor } from "../decode-tensor.ts";
import { byteSizes, type StoredDType } from "../dtypes.ts";
import { quote } from "../json-reader.ts";
import type { Stretch } from "../layout.ts";
import type { OpenFile } from "../open-file.ts";
import type { Range, StoredTensor } from "./model.ts";
import { unpackVarints, type WholeArray, wires } from "./wire.ts";

/** Tensors with at most this many numbers may be parameters of an operator: sizes, axes, a padding value. */
const MOST_SMALL = 16;

/** Limit of the unpacked lists of numbers, in bytes above the file's size. */
const MOST_UNPACKED = 16 << 20;

/** The positions of the numbers of a model's tensors. */
export interface PlacedTensors {
  /** One stretch per tensor, so that its numbers are aligned in memory whatever their position in the file. */
  readonly stretches: readonly Stretch[];
  /** Tensors that are stored as lists of numbers. */
  readonly made: ReadonlyMap<string, Tensor>;
  /** The numbers of small tensors. */
  readonly small: ReadonlyMap<string, readonly number[]>;
}

/** A tensor that holds numbers. */
export type StoredNumbers = StoredTensor & { readonly dtype: StoredDType };

/**
 * Finds the numbers of tensors in the model's file and in its external data files. Throws FormatError for a tensor that
 * exceeds its file, or whose size does not match its shape; UnsupportedError for lists of numbers that unpack to much
 * more than the file's size.
 */
export async function placeTensors(file: OpenFile, tensors: readonly StoredNumbers[]): Promise<PlacedTensors> {
  const stretches: Stretch[] = [];
  const made = new Map<string, Tensor>();
  const small = new Map<string, readonly number[]>();
  const opened = new Map<string, OpenFile>();
  let unpacked = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    const bytes = sizeOf(shape) * byteSizes[dtype];
    const place = await placeOf(file, tensor, bytes, opened);
    if (place) {
      const entry = { name, dtype, shape, begin: 0, end: bytes };
      stretches.push({ file: place.file, offset: place.offset, entries: [entry] });
      if (sizeOf(shape) > MOST_SMALL || !isDecoded(dtype)) continue;
      small.set(name, numbersOf(decodeTensor(entry, new Uint8Array(await place.file.read(place.offset, bytes)))));
    } else {
      unpacked += Math.max(bytes, 4 * sizeOf(shape));
      if (unpacked > file.size + MOST_UNPACKED)
        throw new UnsupportedError(
          `${file.name}: tensor ${quote(name)} is a list of packed numbers that takes ${bytes} bytes, ` +
            "expected raw data; export it again",
        );
      const tensorOf = await unpack(file, tensor, bytes);
      made.set(name, tensorOf);
      if (sizeOf(shape) <= MOST_SMALL) small.set(name, numbersOf(tensorOf));
    }
  }
  return { stretches, made, small };
}

function numbersOf({ data }: Tensor): readonly number[] {
  return Array.from<number | bigint, number>(data, Number);
}

/** The position of a tensor's numbers, if they are stored unchanged; undefined for a list of numbers. */
async function placeOf(
  file: OpenFile,
  tensor: StoredNumbers,
  bytes: number,
  opened: Map<string, OpenFile>,
): Promise<{ readonly file: OpenFile; readonly offset: number } | undefined> {
  const { name, data } = tensor;
  const check = (found: number) => {
    if (found !== bytes) refuseSize(file, tensor, found, bytes);
  };
  if (data.kind === "external") {
    const { location, offset, length = bytes } = data;
    check(length);
    const other = opened.get(location) ?? (await file.beside(location));
    opened.set(location, other);
    if (offset + length <= other.size) return { file: other, offset };
    throw new FormatError(
      `${other.name}: tensor ${quote(name)} lies at bytes ${offset} to ${offset + length}, ` +
        `and the file has ${other.size}; download it again, together with its model`,
    );
  }
  if (data.kind === "raw") {
    check(data.range.end - data.range.begin);
    return { file, offset: data.range.begin };
  }
  const [first, ...more] = data.ranges;
  const isInPlace =
    first !== undefined &&
    more.length === 0 &&
    first.wire === wires.bytes &&
    ((data.kind === "floats" && tensor.dtype === "F32") || (data.kind === "doubles" && tensor.dtype === "F64"));
  if (!isInPlace) return undefined;
  check(first.end - first.begin);
  return { file, offset: first.begin };
}

function refuseSize(file: OpenFile, { name, shape, dtype }: StoredNumbers, found: number, expected: number): never {
  throw new FormatError(
    `${file.name}: tensor ${quote(name)} has ${found} bytes, ` +
      `expected ${expected} for ${dtype} [${shape.join(", ")}]; ` +
      "the ONNX file is damaged: download or export it again",
  );
}

/** Makes the array that a list of whole numbers is unpacked into. Lists of float16 numbers contain their bits. */
const wholes: { readonly [D in StoredDType]?: (size: number) => BigInt64Array | WholeArray } = {
  I64: (size) => new BigInt64Array(size),
  I32: (size) => new Int32Array(size),
  U8: (size) => new Uint8Array(size),
  BOOL: (size) => new Uint8Array(size),
  F16: (size) => new Uint16Array(size),
  BF16: (size) => new Uint16Array(size),
};

function isDecoded(dtype: StoredDType): boolean {
  return Object.hasOwn(wholes, dtype) || dtype === "F32" || dtype === "F64";
}

/** Reads a tensor that is stored as a list of numbers. */
async function unpack(file: OpenFile, tensor: StoredNumbers, bytes: number): Promise<Tensor> {
  const { name, dtype, shape, data } = tensor;
  if (data.kind === "raw" || data.kind === "external") throw new TypeError(`${name} lies in place`);
  const refuse = (): never => {
    throw new FormatError(
      `${file.name}: tensor ${quote(name)} is a list of other numbers than ${dtype} [${shape.join(", ")}]; ` +
        "the ONNX file is damaged: download or export it again",
    );
  };
  const stored = data.ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
  if (data.kind !== "varints") {
    const isOfKind = (data.kind === "floats" && dtype === "F32") || (data.kind === "doubles" && dtype === "F64");
    if (!isOfKind || stored !== bytes) return refuse();
    const joined = new Uint8Array(bytes);
    await eachOf(file, data.ranges, (part, at) => joined.set(part, at));
    return decodeTensor({ name, dtype, shape, begin: 0, end: bytes }, joined);
  }
  const size = sizeOf(shape);
  const make = wholes[dtype];
  if (!make)
    throw new UnsupportedError(`${file.name}: tensor ${quote(name)} is a list of ${dtype}; export it as float32`);
  if (size > stored) return refuse(); // a number takes at least a byte: a false shape cannot request memory
  const into = make(size);
  let next: number | undefined = 0;
  await eachOf(file, data.ranges, (part) => {
    next = next === undefined ? undefined : unpackVarints(part, into, next);
  });
  if (next !== size) return refuse();
  const { buffer, byteOffset, byteLength } = into;
  return decodeTensor({ name, dtype, shape, begin: 0, end: bytes }, new Uint8Array(buffer, byteOffset, byteLength));
}

/** Visits the bytes of many short ranges with a single read. */
async function eachOf(
  file: OpenFile,
  ranges: readonly Range[],
  visit: (bytes: Uint8Array, at: number) => void,
): Promise<void> {
  const span = ranges.length === 0 ? undefined : { begin: ranges[0]!.begin, end: ranges.at(-1)!.end };
  if (!span) return;
  const all = await file.read(span.begin, span.end - span.begin);
  let at = 0;
  for (const { begin, end } of ranges) {
    visit(all.subarray(begin - span.begin, end - span.begin), at);
    at += end - begin;
  }
}
