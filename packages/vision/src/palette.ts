import type { Pixels } from "./pixels.ts";

/** Colour `i` is bytes `3i` to `3i + 2`: red, green, blue. */
export type Palette = Uint8Array;

/**
 * All greys of that many bits, from black to white. The palette of a GIF or BMP is written over those of 8 bits, so
 * that colours that it lacks are greys, as in Pillow 9.4; Pillow 13 has others.
 */
export function greys(bits = 8): Palette {
  const white = 2 ** bits - 1;
  return Uint8Array.from({ length: 3 * (white + 1) }, (_, i) => (Math.floor(i / 3) * 255) / white);
}

/** `[width × height]` indices to RGB. */
export function lookedUp(width: number, height: number, indices: Uint8Array, palette: Palette): Pixels {
  const data = new Uint8Array(indices.length * 3);
  for (let i = 0, to = 0; i < indices.length; i++) {
    const from = indices[i]! * 3;
    data[to++] = palette[from]!;
    data[to++] = palette[from + 1]!;
    data[to++] = palette[from + 2]!;
  }
  return { width, height, data };
}
