import { sizeOf, widenFloat16 } from "@residual/core";
import { RequestError } from "../errors.ts";

/** The datatypes that are read, with the bytes of one element and the reader of little-endian bytes. */
const readers: { readonly [datatype: string]: { readonly size: number; read(bytes: ArrayBuffer): Numbers } } = {
  FP32: { size: 4, read: (bytes) => new Float32Array(bytes) },
  FP64: { size: 8, read: (bytes) => new Float64Array(bytes) },
  FP16: { size: 2, read: (bytes) => widenFloat16(new Uint16Array(bytes)) },
  UINT8: { size: 1, read: (bytes) => new Uint8Array(bytes) },
};

type Numbers = Float32Array | Float64Array | Uint8Array | readonly number[];

/** A tensor as a request has it: raw little-endian bytes, or JSON numbers, flat or nested as the shape. */
export interface RequestTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly raw?: Uint8Array | undefined;
  readonly data?: unknown;
}

/**
 * The tensor's elements in float32. Throws RequestError (400) for a datatype that is not read, for a count that differs
 * from the shape's, and for a number that float32 does not hold: NaN, an infinity, or an FP64 that would be rounded.
 */
export function float32Of({ name, datatype, shape, raw, data }: RequestTensor): Float32Array {
  const reader = Object.hasOwn(readers, datatype) ? readers[datatype] : undefined;
  if (!reader) {
    throw bad(name, `datatype ${datatype} is not supported, expected ${Object.keys(readers).join(", ")}; send FP32`);
  }
  if (raw === undefined && datatype === "FP16") throw bad(name, "FP16 has no JSON form; send it as binary data");
  const numbers =
    raw === undefined ? jsonNumbers(name, data, shape) : reader.read(bytesOf(name, raw, shape, reader.size));
  const isByte = (value: number) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (raw === undefined && datatype === "UINT8") checkEach(name, numbers, isByte, "a whole number from 0 to 255");
  if (datatype === "FP64") checkEach(name, numbers, (value) => Math.fround(value) === value, "a float32; send FP32");
  const values = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
  checkEach(name, values, Number.isFinite, "a finite float32");
  return values;
}

/** A copy, since the typed arrays need aligned bytes. */
function bytesOf(name: string, raw: Uint8Array, shape: readonly number[], size: number): ArrayBuffer {
  const expected = sizeOf(shape) * size;
  if (raw.length !== expected) {
    throw bad(name, `found ${raw.length} bytes, expected ${expected} for the shape [${shape.join(", ")}]`);
  }
  return Uint8Array.from(raw).buffer;
}

function jsonNumbers(name: string, data: unknown, shape: readonly number[]): readonly number[] {
  const numbers: number[] = [];
  append(name, data, shape, numbers);
  return numbers;
}

/** Appends row-major numbers, and checks each level of nesting. The memory is bounded by the data, not by the shape. */
function append(name: string, data: unknown, shape: readonly number[], numbers: number[]): void {
  if (!Array.isArray(data)) throw bad(name, "found no `data`, expected an array of numbers");
  const isNested = Array.isArray(data[0]);
  const expected = isNested ? shape[0] : sizeOf(shape);
  if (data.length !== expected) {
    throw bad(name, `found an array of ${data.length}, expected ${expected ?? "a number"} for its shape`);
  }
  for (const value of data as readonly unknown[]) {
    if (isNested) append(name, value, shape.slice(1), numbers);
    else if (typeof value === "number") numbers.push(value);
    else throw bad(name, `element ${numbers.length} is a ${typeof value}, expected a number`);
  }
}

function checkEach(name: string, numbers: Numbers, holds: (value: number) => boolean, expected: string): void {
  const at = numbers.findIndex((value) => !holds(value));
  if (at >= 0) throw bad(name, `element ${at} is ${numbers[at]}, expected ${expected}`);
}

const bad = (name: string, found: string): RequestError => new RequestError(400, `input ${name}: ${found}`);
