import { sizeOf, type Tensor } from "./tensor.ts";

/**
 * A tensor's numbers, row-major, as they lie in memory or in a file. Where they are a product (`ScaledRows`) each row along the first axis
 * is still to be multiplied by its gain, in float64, on the way into its place: whole products would take twice the memory, and as
 * long again.
 */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
  readonly gain?: Float64Array;
}

/** Answers with what is good until it is asked for the next, since the numbers of files share memory; that is given back in the end. */
export type NumbersReader = ((tensor: Tensor<"float32" | "float64">) => Numbers) & Disposable;

/** Reads tensors one after the other, for backends that put them elsewhere. Throws FormatError where a file has changed. */
export function numbersReader(): NumbersReader {
  let memory = new Float32Array();
  const read = (tensor: Tensor<"float32" | "float64">): Numbers["data"] => {
    if (tensor.dtype !== "float32" || !tensor.source?.readInto) return tensor.data;
    const length = sizeOf(tensor.shape);
    if (memory.length < length) memory = new Float32Array(length);
    tensor.source.readInto(new Uint8Array(memory.buffer, 0, 4 * length));
    return memory.subarray(0, length);
  };
  const reader = (tensor: Tensor<"float32" | "float64">): Numbers => {
    const { shape, scaled } = tensor;
    return scaled ? { shape, data: read(scaled.of), gain: scaled.gain } : { shape, data: read(tensor) };
  };
  return Object.assign(reader, {
    [Symbol.dispose]() {
      memory.buffer.transfer(0); // its pages go now, and not when garbage is next looked for
    },
  });
}
