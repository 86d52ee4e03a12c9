import { type Answer, sizeOf, type Tensor, tensorOf } from "@residual/core";

/** Deterministic float32 numbers in [low, high). Source of the mixing: the finalizer of MurmurHash3. */
export function fill(shape: readonly number[], seed: number, low = -2, high = 2): Tensor<"float32"> {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = low + (high - low) * unit(seed * 0x9e3779b1 + i);
  return tensorOf("float32", shape, data);
}

function unit(number: number): number {
  let mixed = number | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 8) * 2 ** -24;
}

/** The bits of an answer, so that −0, NaN and the last place count. */
export function bitsOf({ data }: Answer): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
}
