import type { Pixels } from "./pixels.ts";

/** Colour `i` is bytes `3i` to `3i + 2`: red, green, blue. */
export type Palette = Uint8Array;

/**
 * 256 greys, from black to white: what a file's palette is written over. So colours that it lacks are greys, as in
 * Pillow 9.4; Pillow 13 has others.
 */
export function greys(): Palette {
  return Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
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
