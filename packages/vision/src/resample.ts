import { check, type Interpolation, interpolations } from "@residual/core";
import { checkPixels, type Pixels } from "./pixels.ts";
import { PRECISION, type Taps, tapsOf } from "./taps.ts";

/** In pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle, in pixels from the top left. */
export interface Window extends Size {
  readonly left: number;
  readonly top: number;
}

const CHANNELS = 3;
const HALF = 1 << (PRECISION - 1);

/**
 * `pixels` resized to `size`, bit for bit as Pillow's `Image.resize`; or only the `window` of that, which costs only
 * what the window needs. Integers all the way: rows first, rounded to uint8, then columns. Never changes its input.
 *
 * R1  `size` is whole numbers from 1.
 * R2  `window` holds a pixel or more and lies within `size`.
 * R3  `interpolation` is one of `interpolations`.
 *
 * Hamming and Lanczos take sin and cos from the machine; their last bit may differ from C's, which 22 bits hide.
 * Source: Pillow 9.4, src/libImaging/Resample.c.
 */
export function resample(
  pixels: Pixels,
  size: Size,
  interpolation: Interpolation,
  window: Window = whole(size),
): Pixels {
  checkPixels(pixels);
  checkTarget(size, interpolation, window);
  const columns = tapsOf(pixels.width, size.width, { from: window.left, count: window.width }, interpolation);
  const rows = tapsOf(pixels.height, size.height, { from: window.top, count: window.height }, interpolation);
  const used = rowsUsed(rows);
  const narrow = alongRows(pixels, columns, used);
  return { width: window.width, height: window.height, data: alongColumns(narrow, window.width, rows, used.from) };
}

function whole({ width, height }: Size): Window {
  return { left: 0, top: 0, width, height };
}

function checkTarget(size: Size, interpolation: Interpolation, { left, top, width, height }: Window): void {
  const sides = `${size.width} x ${size.height}`;
  check(isSide(size.width) && isSide(size.height), "resample.R1", `size ${sides}, expected whole numbers from 1`);
  const inside = isWithin(left, width, size.width) && isWithin(top, height, size.height);
  check(inside, "resample.R2", `window of ${width} x ${height} at ${left}, ${top}, expected it within ${sides}`);
  check(
    interpolations.includes(interpolation),
    "resample.R3",
    `${interpolation}, expected ${interpolations.join(", ")}`,
  );
}

function isSide(side: number): boolean {
  return Number.isSafeInteger(side) && side >= 1;
}

function isWithin(from: number, count: number, size: number): boolean {
  return Number.isSafeInteger(from) && from >= 0 && isSide(count) && from + count <= size;
}

/** The source rows that any of the target rows reads. Both ends of the taps only ever grow. */
function rowsUsed({ start, length }: Taps): { from: number; end: number } {
  const last = start.length - 1;
  return { from: start[0]!, end: start[last]! + length[last]! };
}

/** Source rows `from` to `end`, each made as wide as there are taps: `[end − from, taps, 3]`. */
function alongRows({ width, data }: Pixels, taps: Taps, { from, end }: { from: number; end: number }): Uint8Array {
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

/** Whether the target pixels are neighbours in the source, unchanged: single taps that move on by one. */
function isCopy({ start, stride }: Taps): boolean {
  return stride === 1 && start.at(-1)! - start[0]! === start.length - 1;
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
