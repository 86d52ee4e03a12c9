import { ShapeError } from "./errors.ts";
import { describeValue, shortList } from "./messages.ts";

interface DataOf {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
}

export type DType = keyof DataOf;

interface ArrayOf<Data> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, offset: number, length: number): Data;
}

const arrays: { readonly [D in DType]: ArrayOf<DataOf[D]> } = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
};

/**
 * The same memory as a typed array of this realm; undefined if `data` is not an array of the dtype. Frames, `node:vm`
 * and Jest have their own constructors, and runtimes use `instanceof`.
 */
export function ownArray<D extends DType>(dtype: D, data: unknown): DataOf[D] | undefined {
  const { [dtype]: Own } = arrays;
  if (data instanceof Own) return data;
  if (!ArrayBuffer.isView(data) || Object.prototype.toString.call(data) !== `[object ${Own.name}]`) return undefined;
  const { buffer, byteOffset, byteLength } = data;
  return new Own(buffer, byteOffset, byteLength / Own.BYTES_PER_ELEMENT);
}

/** Numbers in memory with a shape, row-major. Plain data: nothing changes a tensor. `shape` `[]` is a scalar. */
export type Tensor<D extends DType = DType> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: DataOf[K] };
}[D];

/** The dtypes of real numbers: those that outputs can have. */
export type RealDType = "float32" | "float64";

/** A tensor of real numbers. */
export type RealTensor = Tensor<RealDType>;

/** A float32 tensor from plain numbers: `tensor([1, 1, 2, 2], [1, 2, 3, 4])`. */
export function tensor(shape: readonly number[], data: Iterable<number>): Tensor<"float32"> {
  return tensorOf("float32", shape, Float32Array.from(data));
}

/**
 * A tensor over `data`, which is not copied. Throws ShapeError if shape and data differ in size, or dtype and data in
 * type.
 */
export function tensorOf<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D]): Tensor<D> {
  const own = ownArray(dtype, data);
  if (!own) throw new ShapeError("tensor.T2", `${dtype} numbers are in ${describeValue(data)}`);
  const size = sizeOf(shape);
  if (size !== data.length) {
    throw new ShapeError("tensor.T1", `shape [${shortList(shape)}] has ${size} elements, data has ${data.length}`);
  }
  return { dtype, shape: [...shape], data: own };
}

/** The tensor over an array of this realm; undefined if the data do not have its dtype or the size of its shape. */
export function ownTensor(tensor: RealTensor): RealTensor | undefined {
  const { dtype, shape } = tensor;
  const data = ownArray<RealDType>(dtype, tensor.data);
  if (data?.length !== sizeOf(shape)) return undefined;
  return data === tensor.data ? tensor : tensorOf<RealDType>(dtype, shape, data);
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The same numbers as float64; not copied if they are float64 already. */
export function toFloat64(value: RealTensor): Tensor<"float64"> {
  return value.dtype === "float64" ? value : tensorOf("float64", value.shape, Float64Array.from(value.data));
}

/** The elements of a typed array, writable. */
interface Elements {
  [index: number]: number | bigint;
  readonly length: number;
}

/** Copies a block of `shape` out of `data`, where a step along axis i is strides[i] elements. */
export function gather(
  into: Elements,
  data: Readonly<Elements>,
  shape: readonly number[],
  strides: readonly number[],
  from: number,
): void {
  const counters = shape.map(() => 0);
  let at = from;
  for (let i = 0; i < into.length; i++) {
    into[i] = data[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      counters[axis]!++;
      if (counters[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      counters[axis] = 0;
    }
  }
}

/** A tensor of `shape` in row-major order, from `data` where a step along axis i is strides[i] elements. */
export function stridedTensor<D extends DType>(
  dtype: D,
  data: DataOf[D],
  shape: readonly number[],
  strides: readonly number[],
): Tensor<D> {
  const { [dtype]: Own } = arrays;
  const size = sizeOf(shape);
  const numbers = new Own(new ArrayBuffer(size * Own.BYTES_PER_ELEMENT), 0, size);
  gather(numbers, data, shape, strides, 0);
  return tensorOf(dtype, shape, numbers);
}
