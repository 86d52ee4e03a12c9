import { type DType, sizeOf, type Tensor, tensorOf } from "@residual/core";
import fc from "fast-check";

/** The size of a number of each dtype in bytes, and a function that views bytes as a tensor. */
const kinds: {
  readonly [D in DType]: readonly [size: number, of: (shape: number[], bytes: ArrayBuffer) => Tensor<D>];
} = {
  float32: [4, (shape, bytes) => tensorOf("float32", shape, new Float32Array(bytes))],
  float64: [8, (shape, bytes) => tensorOf("float64", shape, new Float64Array(bytes))],
  int32: [4, (shape, bytes) => tensorOf("int32", shape, new Int32Array(bytes))],
  int64: [8, (shape, bytes) => tensorOf("int64", shape, new BigInt64Array(bytes))],
  uint8: [1, (shape, bytes) => tensorOf("uint8", shape, new Uint8Array(bytes))],
};
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const dtypes = fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8");

/** Tensors of arbitrary bits: NaN of every payload, −0, subnormals. */
const tensors: fc.Arbitrary<Tensor> = fc.tuple(dtypes, shapes).chain(([dtype, shape]) => {
  const [size, of] = kinds[dtype];
  const length = sizeOf(shape) * size;
  const bytes = fc.uint8Array({ minLength: length, maxLength: length });
  return bytes.map(({ buffer }) => of(shape, buffer));
});
const names = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("__proto__", "constructor", "残差.weight", "1", "a/b.npy", "\ufeffx", '\u0001\n"\\'),
);
const texts = fc.string({ unit: "grapheme" });

/** Tensors with arbitrary names. */
export const namedTensors: fc.Arbitrary<ReadonlyMap<string, Tensor>> = fc
  .array(fc.tuple(names, tensors))
  .map((named) => new Map(named));

export const metadatas: fc.Arbitrary<Readonly<Record<string, string>>> = fc.dictionary(texts, texts);
