import { isTensor, readRows, rowSize, rowsIn, type Source, sizeOf } from "@residual/core";
import type { LazyPiece } from "./atomic.ts";

/** Bytes of rows in memory at a time; at least one row. */
const CHUNK = 1 << 20;

/**
 * The numbers of a source as bytes of a file, little-endian, rounded to `dtype`. A tensor of that dtype becomes a view
 * of its memory; other sources are read row by row while they are written.
 */
export function pieceOf(source: Source, dtype: Source["dtype"] = source.dtype): Uint8Array | LazyPiece {
  if (isTensor(source) && source.dtype === dtype) {
    const { buffer, byteOffset, byteLength } = source.data;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  const NumberArray = dtype === "float32" ? Float32Array : Float64Array;
  const row = rowSize(source);
  const many = Math.max(1, Math.floor(CHUNK / (row * NumberArray.BYTES_PER_ELEMENT)));
  return {
    length: sizeOf(source.shape) * NumberArray.BYTES_PER_ELEMENT,
    async *chunks() {
      const count = rowsIn(source);
      const numbers = new NumberArray(Math.min(many, count) * row);
      for (let first = 0; first < count; first += many) {
        const end = Math.min(first + many, count);
        const into = numbers.subarray(0, (end - first) * row);
        await readRows(source, into, { first, end });
        yield new Uint8Array(into.buffer, 0, into.byteLength);
      }
    },
  };
}
