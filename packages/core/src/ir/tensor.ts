import { ShapeError } from "./errors.ts";
import { shortList } from "./messages.ts";

interface DataOf {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
}

export type DType = keyof DataOf;

/** Numbers in memory with a shape, row-major. Plain data: nothing changes a tensor. `shape` `[]` is a scalar. */
export type Tensor<D extends DType = DType> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: DataOf[K] };
}[D];

/** The dtypes of real numbers: what backends answer in. */
export type RealDType = "float32" | "float64";

/** A tensor of real numbers. */
export type RealTensor = Tensor<RealDType>;

/** A float32 tensor from plain numbers: `tensor([1, 1, 2, 2], [1, 2, 3, 4])`. */
export function tensor(shape: readonly number[], data: Iterable<number>): Tensor<"float32"> {
  return tensorOf("float32", shape, Float32Array.from(data));
}

/** A tensor over `data`, which it does not copy. Throws ShapeError where shape and data differ in size. */
export function tensorOf<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D]): Tensor<D> {
  const size = sizeOf(shape);
  if (size !== data.length) {
    throw new ShapeError("tensor.T1", `shape [${shortList(shape)}] has ${size} elements, data has ${data.length}`);
  }
  return { dtype, shape: [...shape], data };
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The same numbers as float64, without a copy where they are that already. */
export function toFloat64(value: RealTensor): Tensor<"float64"> {
  return value.dtype === "float64" ? value : tensorOf("float64", value.shape, Float64Array.from(value.data));
}
