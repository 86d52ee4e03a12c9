import type { Pixels } from "./pixels.ts";

/** Turns a picture upright, from its EXIF orientation. Orientation 1 and invalid values change nothing. */
export function turned(pixels: Pixels, orientation: number): Pixels {
  if (!(orientation >= 2 && orientation <= 8)) return pixels;
  const { width, height, data } = pixels;
  const isTransposed = orientation >= 5;
  const isMirrored = [2, 3, 7, 8].includes(orientation); // columns of the file count from its right
  const isFlipped = [3, 4, 6, 7].includes(orientation); // rows of the file count from its bottom
  const [newWidth, newHeight] = isTransposed ? [height, width] : [width, height];
  const result = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++, to += 3) {
      const [column, row] = isTransposed ? [y, x] : [x, y];
      const from = ((isFlipped ? height - 1 - row : row) * width + (isMirrored ? width - 1 - column : column)) * 3;
      result[to] = data[from]!;
      result[to + 1] = data[from + 1]!;
      result[to + 2] = data[from + 2]!;
    }
  }
  return { width: newWidth, height: newHeight, data: result };
}
