import { type DType, type Tensor, tensorOf } from "@residual/core";
import fc from "fast-check";

const views = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
} as const satisfies Record<DType, unknown>;
const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const dtypes = fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8");

/** Of any bits at all: NaN of every payload, −0, subnormals. */
const tensors: fc.Arbitrary<Tensor> = fc.tuple(dtypes, shapes).chain(([dtype, shape]) => {
  const size = shape.reduce((product, length) => product * length, 1);
  const length = size * views[dtype].BYTES_PER_ELEMENT;
  const bytes = fc.uint8Array({ minLength: length, maxLength: length });
  return bytes.map(({ buffer }) => tensorOf(dtype, shape, new views[dtype](buffer) as never) as Tensor);
});
const names = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("__proto__", "constructor", "残差.weight", "1", "a/b.npy", "\ufeffx", '\u0001\n"\\'),
);
const texts = fc.string({ unit: "grapheme" });

/** Tensors of any names. */
export const namedTensors: fc.Arbitrary<ReadonlyMap<string, Tensor>> = fc
  .array(fc.tuple(names, tensors))
  .map((named) => new Map(named));

export const metadatas: fc.Arbitrary<Readonly<Record<string, string>>> = fc.dictionary(texts, texts);
