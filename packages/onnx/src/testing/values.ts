import { type Answer, fill as fillBySalt, type Tensor } from "@residual/core";

/** Deterministic float32 numbers in [low, high). */
export function fill(shape: readonly number[], seed: number, low = -2, high = 2): Tensor<"float32"> {
  return fillBySalt("onnx", String(seed), shape, low, high);
}

/** The bits of an answer, so that −0, NaN and the last place count. */
export function bitsOf({ data }: Answer): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
}
