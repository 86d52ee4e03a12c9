import type { Pixels } from "./pixels.ts";
import { type BothTaps, isCopy, PRECISION, type Range, type Taps, usedBy } from "./taps.ts";

const CHANNELS = 3;
const HALF = 1 << (PRECISION - 1);

/** The pixels that the taps make, `[rows, columns, 3]`: the arithmetic that simd/kernels.wat has to equal. */
export function resamplePlainly(pixels: Pixels, { columns, rows }: BothTaps): Uint8Array {
  const used = usedBy(rows, { from: 0, end: rows.start.length });
  return alongColumns(alongRows(pixels, columns, used), columns.start.length, rows, used.from);
}

/** Source rows `from` to `end`, each made as wide as there are taps: `[end − from, taps, 3]`. */
function alongRows({ width, data }: Pixels, taps: Taps, { from, end }: Range): Uint8Array {
  const source = width * CHANNELS;
  const target = taps.start.length * CHANNELS;
  const narrow = new Uint8ClampedArray((end - from) * target);
  for (let y = from; y < end; y++) {
    if (isCopy(taps)) {
      const start = y * source + taps.start[0]! * CHANNELS;
      narrow.set(data.subarray(start, start + target), (y - from) * target);
    } else resampleRow(data, y * source, taps, narrow, (y - from) * target);
  }
  return new Uint8Array(narrow.buffer);
}

/**
 * The inner loop. A sum stays within int32, since |weights| add up to less than 2 and a pixel is at most 255; the half
 * is in it from the start, so the shift rounds; the clamped array cuts off what negative weights overshoot.
 */
function resampleRow(
  data: Uint8Array,
  rowStart: number,
  taps: Taps,
  target: Uint8ClampedArray,
  targetStart: number,
): void {
  const { start, length, weight, stride } = taps;
  for (let i = 0, to = targetStart; i < start.length; i++, to += CHANNELS) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    const end = i * stride + length[i]!;
    for (let tap = i * stride, at = rowStart + start[i]! * CHANNELS; tap < end; tap++, at += CHANNELS) {
      const share = weight[tap]!;
      red = (red + Math.imul(data[at]!, share)) | 0;
      green = (green + Math.imul(data[at + 1]!, share)) | 0;
      blue = (blue + Math.imul(data[at + 2]!, share)) | 0;
    }
    target[to] = red >> PRECISION;
    target[to + 1] = green >> PRECISION;
    target[to + 2] = blue >> PRECISION;
  }
}

/** `[rows, width, 3]` from source row `from` on -> `[taps, width, 3]`. */
function alongColumns(data: Uint8Array, width: number, taps: Taps, from: number): Uint8Array {
  if (isCopy(taps)) return data;
  const rowBytes = width * CHANNELS;
  const target = new Uint8ClampedArray(taps.start.length * rowBytes);
  for (let i = 0; i < taps.start.length; i++) {
    const weights = taps.weight.subarray(i * taps.stride, i * taps.stride + taps.length[i]!);
    resampleColumns(data, (taps.start[i]! - from) * rowBytes, rowBytes, weights, target, i * rowBytes);
  }
  return new Uint8Array(target.buffer);
}

/** A row of the target, pixel by pixel, of as many rows of the source as there are weights. */
function resampleColumns(
  data: Uint8Array,
  rowStart: number,
  rowBytes: number,
  weights: Int32Array,
  target: Uint8ClampedArray,
  targetStart: number,
): void {
  for (let x = 0; x < rowBytes; x += CHANNELS) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    for (let tap = 0, at = rowStart + x; tap < weights.length; tap++, at += rowBytes) {
      const share = weights[tap]!;
      red = (red + Math.imul(data[at]!, share)) | 0;
      green = (green + Math.imul(data[at + 1]!, share)) | 0;
      blue = (blue + Math.imul(data[at + 2]!, share)) | 0;
    }
    target[targetStart + x] = red >> PRECISION;
    target[targetStart + x + 1] = green >> PRECISION;
    target[targetStart + x + 2] = blue >> PRECISION;
  }
}
