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
  return {
    width: window.width,
    height: window.height,
    data: alongColumns(narrow, window.width * CHANNELS, rows, used.from),
  };
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
function alongRows(
  { width, data }: Pixels,
  taps: Taps,
  { from, end }: { from: number; end: number },
): Uint8ClampedArray {
  const target = taps.start.length * CHANNELS;
  const narrow = new Uint8ClampedArray((end - from) * target);
  for (let y = from; y < end; y++) resampleRow(data, y * width * CHANNELS, taps, narrow, (y - from) * target);
  return narrow;
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
      red += Math.imul(data[at]!, share);
      green += Math.imul(data[at + 1]!, share);
      blue += Math.imul(data[at + 2]!, share);
    }
    target[to] = red >> PRECISION;
    target[to + 1] = green >> PRECISION;
    target[to + 2] = blue >> PRECISION;
  }
}

/**
 * `[rows, rowBytes]` from source row `from` on -> `[taps, rowBytes]`. Whole rows are summed, to read memory in order.
 */
function alongColumns(data: Uint8ClampedArray, rowBytes: number, taps: Taps, from: number): Uint8Array {
  const target = new Uint8ClampedArray(taps.start.length * rowBytes);
  const sums = new Int32Array(rowBytes);
  for (let i = 0; i < taps.start.length; i++) {
    sums.fill(HALF);
    for (let tap = 0; tap < taps.length[i]!; tap++) {
      addRow(sums, data, (taps.start[i]! + tap - from) * rowBytes, taps.weight[i * taps.stride + tap]!);
    }
    for (let at = 0; at < rowBytes; at++) target[i * rowBytes + at] = sums[at]! >> PRECISION;
  }
  return new Uint8Array(target.buffer);
}

function addRow(sums: Int32Array, data: Uint8ClampedArray, rowStart: number, share: number): void {
  for (let at = 0; at < sums.length; at++) sums[at] = (sums[at]! + Math.imul(data[rowStart + at]!, share)) | 0;
}
