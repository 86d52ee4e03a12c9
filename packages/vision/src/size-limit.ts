import { FormatError } from "@residual/core";

/**
 * The most pixels, width × height, where no other limit is given: beyond it Pillow refuses too. Source: Pillow,
 * PIL/Image.py, twice MAX_IMAGE_PIXELS.
 */
export const MAX_PIXELS = 178_956_970;

/** Throws FormatError for sides that no picture has, and for more pixels than are taken. */
export function checkSize(width: number, height: number, maxPixels: number): void {
  if (!(width > 0 && height > 0)) throw new FormatError(`found ${width} x ${height} pixels, expected at least 1 x 1`);
  if (width * height <= maxPixels) return;
  const found = `${width} x ${height}, ${width * height} pixels`;
  throw new FormatError(
    `found ${found}, expected at most ${maxPixels}; shrink it, or raise maxPixels (--max-pixels on the command line)`,
  );
}
