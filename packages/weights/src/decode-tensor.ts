import { type Tensor, tensorOf, UnsupportedError, widenFloat16 } from "@residual/core";
import type { StoredDType } from "./dtypes.ts";
import { quote } from "./json-reader.ts";
import type { TensorEntry } from "./tensor-entry.ts";

type Decode = (shape: readonly number[], bytes: Uint8Array) => Tensor;

/**
 * The conversion of each stored dtype to a dtype of core. F16 and BF16 widen to float32 exactly: float32 can represent
 * all their values, NaN payloads included. Views assume that the machine is little-endian, as files are. This holds on
 * every platform where Residual's backends run.
 */
const decoders: { readonly [D in StoredDType]?: Decode } = {
  F64: (shape, bytes) => tensorOf("float64", shape, viewOf(Float64Array, bytes)),
  F32: (shape, bytes) => tensorOf("float32", shape, viewOf(Float32Array, bytes)),
  F16: (shape, bytes) => tensorOf("float32", shape, widenFloat16(viewOf(Uint16Array, bytes))),
  BF16: (shape, bytes) => tensorOf("float32", shape, widenBfloat16(viewOf(Uint16Array, bytes))),
  I64: (shape, bytes) => tensorOf("int64", shape, viewOf(BigInt64Array, bytes)),
  I32: (shape, bytes) => tensorOf("int32", shape, viewOf(Int32Array, bytes)),
  U8: (shape, bytes) => tensorOf("uint8", shape, viewOf(Uint8Array, bytes)),
  BOOL: (shape, bytes) => tensorOf("uint8", shape, viewOf(Uint8Array, bytes)), // flags that trainers store
};

/** Throws UnsupportedError for a dtype that core does not have; `file` names the file in the message. */
export function checkReadable({ name, dtype }: TensorEntry, file: string): void {
  if (decoders[dtype]) return;
  const readable = Object.keys(decoders).join(", ");
  throw new UnsupportedError(`${file}: tensor ${quote(name)} is ${dtype}, expected ${readable}; save it as float32`);
}

/**
 * Decodes an entry from the file's data section. The tensor is a view on `data`, except where numbers are widened or
 * the bytes are not aligned for the dtype. The entry must have passed `parseHeader` and `checkReadable`.
 */
export function decodeTensor({ dtype, shape, begin, end }: TensorEntry, data: Uint8Array): Tensor {
  return decoders[dtype]!(shape, data.subarray(begin, end));
}

interface View<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function viewOf<T>(View: View<T>, bytes: Uint8Array): T {
  // bytes.slice() does not copy where `bytes` is a Node Buffer
  const aligned = bytes.byteOffset % View.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new View(aligned.buffer, aligned.byteOffset, aligned.byteLength / View.BYTES_PER_ELEMENT);
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(words: Uint16Array): Float32Array {
  const bits = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  return new Float32Array(bits.buffer);
}
