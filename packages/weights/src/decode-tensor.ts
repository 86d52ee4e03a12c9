import { type Tensor, tensorOf, UnsupportedError } from "@residual/core";
import type { StoredDType } from "./dtypes.ts";
import { quote } from "./json-reader.ts";
import type { TensorEntry } from "./safetensors.ts";

type Decode = (shape: readonly number[], bytes: Uint8Array) => Tensor;

/**
 * How each stored dtype becomes one of core's. F16 and BF16 widen to float32, exactly: every one of their values, NaN
 * payloads too, is one of float32's. Views take the machine's byte order to be the file's, little-endian, as it is
 * wherever Residual's backends run.
 */
const decoders: { readonly [D in StoredDType]?: Decode } = {
  F64: (shape, bytes) => tensorOf("float64", shape, viewOf(Float64Array, bytes)),
  F32: (shape, bytes) => tensorOf("float32", shape, viewOf(Float32Array, bytes)),
  F16: (shape, bytes) => tensorOf("float32", shape, widen(viewOf(Uint16Array, bytes), float32BitsOfHalf)),
  BF16: (shape, bytes) =>
    tensorOf(
      "float32",
      shape,
      widen(viewOf(Uint16Array, bytes), (bits) => bits << 16),
    ),
  I64: (shape, bytes) => tensorOf("int64", shape, viewOf(BigInt64Array, bytes)),
  I32: (shape, bytes) => tensorOf("int32", shape, viewOf(Int32Array, bytes)),
  U8: (shape, bytes) => tensorOf("uint8", shape, viewOf(Uint8Array, bytes)),
};

/** Throws UnsupportedError for a dtype that core has no tensors for; `file` names it in the message. */
export function checkReadable({ name, dtype }: TensorEntry, file: string): void {
  if (decoders[dtype]) return;
  const readable = Object.keys(decoders).join(", ");
  throw new UnsupportedError(`${file}: tensor ${quote(name)} is ${dtype}, expected ${readable}; save it as float32`);
}

/**
 * The tensor of an entry, out of the file's data section. It is a view on `data`, save where it is widened or where its
 * bytes are not aligned for its dtype. The entry has passed `parseHeader` and `checkReadable`.
 */
export function decodeTensor({ dtype, shape, begin, end }: TensorEntry, data: Uint8Array): Tensor {
  return decoders[dtype]!(shape, data.subarray(begin, end));
}

interface View<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function viewOf<T>(View: View<T>, bytes: Uint8Array): T {
  // Not bytes.slice(), which for a Node Buffer copies nothing.
  const aligned = bytes.byteOffset % View.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new View(aligned.buffer, aligned.byteOffset, aligned.byteLength / View.BYTES_PER_ELEMENT);
}

function widen(halves: Uint16Array, bitsOf: (half: number) => number): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = bitsOf(halves[i]!);
  return new Float32Array(bits.buffer);
}

/** The float32 with the value of an IEEE 754 half: 1 sign bit, 5 of exponent (bias 15), 10 of fraction; both as bits. */
function float32BitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinities and NaN
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13); // 112 = 127 − 15, the two biases
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // subnormal, which float32 writes with its leading 1 shifted to bit 10
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
