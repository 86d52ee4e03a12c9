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

/** Of a tensor's first axis: from one row to before another. */
export interface Rows {
  readonly first: number;
  readonly end: number;
}

/**
 * Gives a tensor's numbers, or those of some of its rows, which are good until it is asked for the next, since the numbers of files share
 * memory; that is given back in the end.
 */
export type NumbersReader = ((tensor: Tensor<"float32" | "float64">, rows?: Rows) => Numbers) & Disposable;

/** Reads tensors one after the other, for backends that put them elsewhere. Throws FormatError where a file has changed. */
export function numbersReader(): NumbersReader {
  let memory = new Float32Array();
  const read = (tensor: Tensor<"float32" | "float64">, begin: number, length: number): Numbers["data"] => {
    if (tensor.dtype !== "float32" || !tensor.source?.readInto) {
      return length === tensor.data.length ? tensor.data : tensor.data.subarray(begin, begin + length);
    }
    if (memory.length < length) memory = new Float32Array(length);
    tensor.source.readInto(new Uint8Array(memory.buffer, 0, 4 * length), 4 * begin);
    return memory.subarray(0, length);
  };
  const reader = (tensor: Tensor<"float32" | "float64">, rows?: Rows): Numbers => {
    const [count = 1, ...rest] = tensor.shape;
    const { first, end } = rows ?? { first: 0, end: count };
    const shape = rows ? [end - first, ...rest] : tensor.shape;
    const row = sizeOf(rest);
    const { scaled } = tensor;
    const data = read(scaled?.of ?? tensor, first * row, (end - first) * row);
    return scaled ? { shape, data, gain: scaled.gain.subarray(first, end) } : { shape, data };
  };
  return Object.assign(reader, {
    [Symbol.dispose]() {
      memory.buffer.transfer(0); // its pages go now, and not when garbage is next looked for
    },
  });
}
