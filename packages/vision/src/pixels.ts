import { check } from "@residual/core";

/** An RGB image: uint8, interleaved, `data` `[height, width, 3]`, rows from the top. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** RGBA, `data` `[height, width, 4]`, alpha not multiplied in. A browser's ImageData fits. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The formats that images are written in. */
export type EncodedFormat = "png" | "jpeg" | "webp";

/** `RgbaImage` as Pixels: alpha is dropped, never blended. Throws ShapeError where size and data differ. */
export function pixelsOfRgba(image: RgbaImage): Pixels {
  checkRgba(image);
  const { width, height, data } = image;
  return { width, height, data: withoutFourth(data) };
}

/** Throws ShapeError unless `data` holds `height × width × 4` bytes. */
export function checkRgba({ width, height, data }: RgbaImage): void {
  check(
    data.length === width * height * 4,
    "pixels.P1",
    `${width} x ${height} x 4 bytes expected, found ${data.length}`,
  );
}

/** `[n, 4]` -> `[n, 3]`. */
function withoutFourth(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  const kept = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    kept[to] = data[from]!;
    kept[to + 1] = data[from + 1]!;
    kept[to + 2] = data[from + 2]!;
  }
  return kept;
}

/**
 * Throws ShapeError unless
 * P1  `data` holds `height × width × 3` bytes;
 * P2  both sides are whole numbers of at least 1.
 */
export function checkPixels({ width, height, data }: Pixels): void {
  const whole = Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0;
  check(whole, "pixels.P2", `sides of ${width} x ${height}, expected whole numbers from 1`);
  check(
    data.length === width * height * 3,
    "pixels.P1",
    `${width} x ${height} x 3 bytes expected, found ${data.length}`,
  );
}
