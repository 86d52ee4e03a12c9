import { check, type Interpolation, interpolations } from "@residual/core";
import { checkPixels, type Pixels } from "./pixels.ts";
import { resamplePlainly } from "./plain-resample.ts";
import { cutToFloats, type Normalization, resampleBySimd, resampleToFloats } from "./simd/resample.ts";
import { type BothTaps, isCopy, tapsOf } from "./taps.ts";

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
  const taps = tapsOfBoth(pixels, { size, interpolation, window });
  const data = isCut(taps) ? undefined : resampleBySimd(pixels, taps);
  return { width: window.width, height: window.height, data: data ?? resamplePlainly(pixels, taps) };
}

/** What `resample` makes. */
export interface Resize {
  readonly size: Size;
  readonly interpolation: Interpolation;
  readonly window: Window;
}

/**
 * What `resample` gives, normalized at once to `image`, `[3, height, width]` of the window. False where the kernels are
 * missing or lack memory, and nothing was done. The arguments have been checked.
 */
export function resampleNormalized(
  pixels: Pixels,
  resize: Resize,
  normalization: Normalization,
  image: Float32Array,
): boolean {
  const taps = tapsOfBoth(pixels, resize);
  return (isCut(taps) ? cutToFloats : resampleToFloats)(pixels, taps, normalization, image);
}

function tapsOfBoth({ width, height }: Size, { size, interpolation, window }: Resize): BothTaps {
  return {
    columns: tapsOf(width, size.width, { from: window.left, count: window.width }, interpolation),
    rows: tapsOf(height, size.height, { from: window.top, count: window.height }, interpolation),
  };
}

/** Whether the target is a part of the source, unchanged. */
function isCut({ columns, rows }: BothTaps): boolean {
  return isCopy(columns) && isCopy(rows);
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
