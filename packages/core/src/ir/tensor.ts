import { ShapeError } from "./errors.ts";

interface DataOf {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
}

export type DType = keyof DataOf;

/** Where a tensor's very bytes lie, little-endian, in a file: for backends that can map it. */
export interface FileSource {
  readonly path: string;
  /** From the file's start, in bytes. */
  readonly offset: number;
  /** Index of the first element that was NaN or infinite when the file was read, -1 where none was. */
  readonly firstNonFinite?: number;
  /** Whether the file is still the one that was read. */
  readonly isCurrent: () => Promise<boolean>;
  /**
   * Where they are in memory no longer: reads as many bytes as the caller has room for, from one of the tensor's on (its first where not given).
   * The caller's memory can serve for many tensors, since new memory takes longer than the read. Throws FormatError where the file has changed.
   */
  readonly readInto?: (bytes: Uint8Array, begin?: number) => void;
}

/** A tensor whose row c (along the first axis) is that of `of` times `gain[c]`. */
export interface ScaledRows {
  readonly of: Tensor<"float32">;
  readonly gain: Float64Array;
}

/** Numbers with a shape, row-major. `shape` `[]` is a scalar. */
export type Tensor<D extends DType = DType> = {
  [K in D]: {
    readonly dtype: K;
    readonly shape: readonly number[];
    /** Row-major. Those of a tensor with a `source` may be read only when they are first asked for. */
    readonly data: DataOf[K];
    readonly source?: FileSource;
    /** What it is the product of, for those who would rather work it out themselves; `data` then waits to be asked for. */
    readonly scaled?: ScaledRows;
  };
}[D];

/** A float32 tensor from plain numbers: `tensor([1, 1, 2, 2], [1, 2, 3, 4])`. */
export function tensor(shape: readonly number[], data: Iterable<number>): Tensor<"float32"> {
  return tensorOf("float32", shape, Float32Array.from(data));
}

/** A tensor over `data`, which it does not copy. Throws ShapeError where shape and data differ in size. */
export function tensorOf<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D]): Tensor<D> {
  const size = sizeOf(shape);
  if (size !== data.length) {
    throw new ShapeError("tensor.T1", `shape [${shape.join(", ")}] has ${size} elements, data has ${data.length}`);
  }
  return { dtype, shape: [...shape], data };
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The same numbers as float64, without a copy where they are that already. */
export function toFloat64(value: Tensor<"float32" | "float64">): Tensor<"float64"> {
  return value.dtype === "float64" ? value : tensorOf("float64", value.shape, Float64Array.from(value.data));
}
