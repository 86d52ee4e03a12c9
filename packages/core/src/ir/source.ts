import { check, ShapeError, WeightsError } from "./errors.ts";
import { shortList } from "./messages.ts";
import { gather, type RealTensor, sizeOf, type Tensor, tensorOf } from "./tensor.ts";

/** Half-open range [first, end) of rows, along a tensor's first axis. A scalar is one row. */
export interface RowRange {
  readonly first: number;
  readonly end: number;
}

/** A typed array that numbers are read into. */
export type RealArray = Float32Array | Float64Array;

/** Numbers that are read on demand: from a file, or computed from another source. */
export interface LazySource {
  /** The narrowest dtype that holds every number exactly. */
  readonly dtype: "float32" | "float64";
  readonly shape: readonly number[];
  /** The result of `firstNonFinite`, if known beforehand: `bind` does not read the numbers for it. */
  readonly firstNonFinite: number;
  /** An upper bound of the magnitudes, if known. A small bound saves checking the products with a gain. */
  readonly bound?: number;
  /** Whether the numbers come from tensors in memory only. Backends stream all other sources. */
  readonly isResident?: boolean;
  /**
   * Writes the numbers of some rows into `into`, row-major. Each number is rounded once, to the type of `into`, which
   * must have the size of the rows. Calls may overlap. Throws FormatError if a file has changed since it was opened.
   */
  read(into: RealArray, rows: RowRange): Promise<void>;
}

/** The numbers of a parameter: a tensor in memory, or a lazy source. */
export type Source = RealTensor | LazySource;

/** A tensor of a weights file. Integer tensors are always in memory. */
export type NamedSource = Tensor | LazySource;

/** Whether a source is a tensor in memory. */
export function isTensor(source: Source): source is RealTensor;
export function isTensor(source: NamedSource): source is Tensor;
export function isTensor(source: NamedSource): source is Tensor {
  return "data" in source;
}

/** Whether all numbers come from memory. */
export function isResident(source: Source): boolean {
  return isTensor(source) || source.isResident === true;
}

/** A source of zeros, which takes no memory until it is read. */
export function zeros(shape: readonly number[]): LazySource {
  return {
    dtype: "float32",
    shape,
    firstNonFinite: -1,
    isResident: true,
    read: async (into) => void into.fill(0),
  };
}

/** Number of rows: the size of the first axis, 1 for a scalar. */
export function rowsIn({ shape: [count = 1] }: { readonly shape: readonly number[] }): number {
  return count;
}

/** Numbers of one row. */
export function rowSize({ shape: [, ...rest] }: { readonly shape: readonly number[] }): number {
  return sizeOf(rest);
}

/** Writes the numbers of some rows (default: all) into `into`, which must have the size of the rows. */
export async function readRows(source: Source, into: RealArray, rows: RowRange = allRows(source)): Promise<void> {
  const row = rowSize(source);
  const expected = (rows.end - rows.first) * row;
  const fits = 0 <= rows.first && rows.first <= rows.end && rows.end <= rowsIn(source) && into.length === expected;
  check(
    fits,
    "source.R1",
    `rows [${rows.first}, ${rows.end}) of [${shortList(source.shape)}] into ${into.length} numbers`,
  );
  if (isTensor(source)) into.set(source.data.subarray(rows.first * row, rows.end * row));
  else await source.read(into, rows);
}

/** The whole source in memory, in its own dtype. A tensor is returned as it is. */
export async function readTensor(source: Source): Promise<RealTensor>;
export async function readTensor(source: NamedSource): Promise<Tensor>;
export async function readTensor(source: NamedSource): Promise<Tensor> {
  if (isTensor(source)) return source;
  const { dtype, shape } = source;
  const size = sizeOf(shape);
  if (dtype === "float64") {
    const data = new Float64Array(size);
    await readRows(source, data);
    return tensorOf(dtype, shape, data);
  }
  const data = new Float32Array(size);
  await readRows(source, data);
  return tensorOf(dtype, shape, data);
}

/** The whole source in memory as float64. */
export async function readFloat64(source: Source): Promise<Tensor<"float64">> {
  if (isTensor(source) && source.dtype === "float64") return source;
  const data = new Float64Array(sizeOf(source.shape));
  await readRows(source, data);
  return tensorOf("float64", source.shape, data);
}

/** Whether a number is finite once rounded to float32. */
export function isFiniteInFloat32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}

/**
 * Index of the first element that is NaN, infinite, or beyond the range of float32, in which backends compute; -1 if
 * all are finite. Reads every number of a tensor.
 */
export function firstNonFinite(source: Source): number {
  if (!isTensor(source)) return source.firstNonFinite;
  const { data } = source;
  if (data instanceof Float32Array && data.length <= SHORT && !specials.some((special) => data.includes(special)))
    return -1;
  for (let i = 0; i < data.length; i++) if (!isFiniteInFloat32(data[i]!)) return i;
  return -1;
}

/** Most tensors of a network are no longer than this. V8's built-in search needs no warm-up. */
const SHORT = 4096;
const specials = [NaN, Infinity, -Infinity];

/**
 * Row c times gain[c], multiplied in float64 when rows are read: materializing the product would double memory. For
 * passes: source and gain are finite, since both come from bound weights. A read throws WeightsError, with the source's
 * name, if a product is beyond float32.
 */
export function scaleRows(source: Source, gain: Float64Array, name = "a weight"): Source {
  check(gain.length === rowsIn(source), "scaleRows.C1", `${gain.length} gains for ${rowsIn(source)} rows`);
  const row = rowSize(source);
  const largest = gain.reduce((most, factor) => Math.max(most, Math.abs(factor)), 0);
  const isBounded = !isTensor(source) && source.bound !== undefined && source.bound * largest < FLOAT32_END;
  return {
    dtype: "float64",
    shape: source.shape,
    firstNonFinite: -1,
    isResident: isResident(source),
    async read(into, rows) {
      // float32 numbers lose nothing on their way through either type; float64 numbers would be rounded twice.
      const isExact = source.dtype === "float32" || into.BYTES_PER_ELEMENT === 8;
      const numbers = isExact ? into : new Float64Array(into.length);
      await readRows(source, numbers, rows);
      const gains = gain.subarray(rows.first, rows.end);
      if (isBounded && numbers instanceof Float32Array) multiplyBounded(numbers, gains, row);
      else if (!multiplyRows(numbers, gains, row))
        throw new WeightsError(`${name} times the gain of its norm is beyond float32; use weights of smaller norms`);
      if (!isExact) into.set(numbers);
    },
  };
}

/** Numbers of at least this magnitude round to infinity in float32: half a step above the largest float32. */
const FLOAT32_END = 2 ** 128 - 2 ** 103;

/**
 * Multiplies rows whose products are known to be finite. Like `multiplyRows`, a plain loop in a separate function: V8
 * needs twice the time for the same loop in an async function, with `for … of`, or over arrays of two types. Eight
 * numbers a turn, since V8 checks in each turn whether the buffer is detached, once any buffer was (as WebGPU's mapped
 * buffers are).
 */
function multiplyBounded(numbers: Float32Array, gain: Float64Array, row: number): void {
  for (let c = 0, i = 0; c < gain.length; c++) {
    const factor = gain[c]!;
    const end = i + row;
    for (; i + 8 <= end; i += 8) {
      numbers[i]! *= factor;
      numbers[i + 1]! *= factor;
      numbers[i + 2]! *= factor;
      numbers[i + 3]! *= factor;
      numbers[i + 4]! *= factor;
      numbers[i + 5]! *= factor;
      numbers[i + 6]! *= factor;
      numbers[i + 7]! *= factor;
    }
    for (; i < end; i++) numbers[i]! *= factor;
  }
}

/** Multiplies rows. Returns whether all products are finite in float32. */
function multiplyRows(numbers: RealArray, gain: Float64Array, row: number): boolean {
  let fits = true;
  for (let c = 0, i = 0; c < gain.length; c++) {
    const factor = gain[c]!;
    const end = i + row;
    for (; i < end; i++) {
      const product = numbers[i]! * factor;
      if (Math.abs(product) >= FLOAT32_END) fits = false;
      numbers[i] = product;
    }
  }
  return fits;
}

/**
 * The axes in another order, as PyTorch's `permute`: axis i of the result is axis `order[i]` of the source. Keras'
 * kernels (HWIO) become PyTorch's (OIHW) by [3, 2, 0, 1].
 *
 * A row of the result is spread over the whole source. So the first read loads the whole source, and later reads use
 * that copy until it is garbage-collected.
 */
export function permuteAxes(source: Source, order: readonly number[]): Source {
  const { shape } = source;
  const isOrder = order.length === shape.length && shape.every((_, axis) => order.includes(axis));
  check(isOrder, "permuteAxes.C1", `order [${shortList(order)}] of [${shortList(shape)}]`);
  if (shape.length === 0) return source;
  const permuted = order.map((axis) => shape[axis]!);
  let whole: WeakRef<RealTensor> | undefined;
  const held = async (): Promise<RealTensor> => {
    const known = whole?.deref();
    if (known) return known;
    const read = await readTensor(source);
    whole = new WeakRef(read);
    return read;
  };
  const strides = order.map((axis) => sizeOf(shape.slice(axis + 1)));
  return {
    dtype: source.dtype,
    shape: permuted,
    firstNonFinite: permutedIndex(firstNonFinite(source), shape, order),
    isResident: isResident(source),
    async read(into, { first, end }) {
      const { data } = await held();
      gather(into, data, [end - first, ...permuted.slice(1)], strides, first * strides[0]!);
    },
  };
}

/** Position of an element of a tensor of `shape` after its axes are permuted. */
function permutedIndex(index: number, shape: readonly number[], order: readonly number[]): number {
  if (index < 0) return -1;
  const position = shape.map((size, axis) => Math.floor(index / sizeOf(shape.slice(axis + 1))) % size);
  return order.reduce((sum, axis) => sum * shape[axis]! + position[axis]!, 0);
}

/** The same numbers with `count` axes of size 1 appended. Nothing is copied. */
export function withTrailingAxes(source: Source, count: number): Source {
  const shape = [...source.shape, ...Array.from({ length: count }, () => 1)];
  if (isTensor(source)) return { ...source, shape };
  const { dtype, firstNonFinite } = source;
  return {
    dtype,
    shape,
    firstNonFinite,
    isResident: isResident(source),
    read: (into, rows) => source.read(into, rows),
  };
}

/** The sources one after another, along the first axis. */
export function concatenateRows(parts: readonly Source[]): Source {
  const [head] = parts;
  if (!head || head.shape.length === 0)
    throw new ShapeError("concatenateRows.C1", "expected a part with an axis to join");
  const rest = head.shape.slice(1);
  for (const { shape } of parts) {
    const fits = shape.slice(1).join() === rest.join() && shape.length === head.shape.length;
    check(fits, "concatenateRows.C1", `a part is [${shortList(shape)}], the first [${shortList(head.shape)}]`);
  }
  const row = sizeOf(rest);
  const total = parts.reduce((sum, part) => sum + rowsIn(part), 0);
  let begin = 0;
  const firsts = parts.map((part) => {
    const index = firstNonFinite(part);
    begin += sizeOf(part.shape);
    return index < 0 ? -1 : begin - sizeOf(part.shape) + index;
  });
  return {
    dtype: parts.some(({ dtype }) => dtype === "float64") ? "float64" : "float32",
    shape: [total, ...rest],
    firstNonFinite: firsts.find((index) => index >= 0) ?? -1,
    isResident: parts.every(isResident),
    async read(into, { first, end }) {
      let begin = 0; // first row of the part, among all rows
      for (const part of parts) {
        const [from, to] = [Math.max(first, begin), Math.min(end, begin + rowsIn(part))];
        const piece = { first: from - begin, end: to - begin };
        if (from < to) await readRows(part, into.subarray((from - first) * row, (to - first) * row), piece);
        begin += rowsIn(part);
      }
    },
  };
}

function allRows(source: Source): RowRange {
  return { first: 0, end: rowsIn(source) };
}
