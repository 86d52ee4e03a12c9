import { rgbOfCmyk } from "./cmyk.ts";
import { adobeTransform, type CopyOptions, copyJpeg } from "./jpeg-components.ts";
import { jpegSegments } from "./jpeg-file.ts";
import { decodeWhole } from "./jpeg-pixels.ts";
import { newMemory } from "./pixel-memory.ts";
import type { Pixels } from "./pixels.ts";

/** A copy that has the fourth ink, with blank components that make its sampling one that the codec takes. */
interface BlackCopy {
  readonly components: CopyOptions["components"];
  /** Of the three components. */
  readonly sampling: string;
  /** Where the ink stands among them. */
  readonly place: 0 | 2;
}

/** The copy for the fourth ink; undefined where the codec takes none. `sampling` is of the file's four components. */
export function blackCopy(sampling: readonly string[]): BlackCopy | undefined {
  const factors = sampling.map((each) => each.split("x").map(Number));
  const [across, down] = [0, 1].map((axis) => Math.max(...factors.map((each) => each[axis]!))) as [number, number];
  const [most, black] = [`${across}x${down}`, sampling[3]];
  const one = { across: 1, down: 1 };
  if (!sampling.slice(0, 3).includes(most)) return undefined; // a copy without the fourth ink would be smaller
  if (black === most) return { components: [3, one, one], sampling: `${most} 1x1 1x1`, place: 0 };
  if (black === "1x1") return { components: [{ across, down }, one, 3], sampling: `${most} 1x1 1x1`, place: 2 };
  return undefined;
}

/**
 * The pixels of a JPEG of four inks. The codec decodes three components, so two copies of the file are decoded: one of
 * the first three, and one with the fourth. Inks are stored inverted, as Adobe stores them, and Pillow takes every file
 * so. YCCK is YCbCr of inverted inks: its conversion to RGB gives what is stored. Undefined where no such copy can be
 * made.
 *
 * Source: libjpeg-turbo, src/jdcolor.c, ycck_cmyk_convert; Pillow, PIL/JpegImagePlugin.py.
 */
export async function decodeInks(file: Uint8Array, black: BlackCopy, codecAdvice: string): Promise<Pixels | undefined> {
  const isYcck = (adobeTransform(jpegSegments(file)) ?? 0) !== 0;
  const coloured = copyJpeg(file, { components: [0, 1, 2], transform: isYcck ? 1 : 0 });
  const blackened = copyJpeg(file, { components: black.components, transform: 0 });
  if (!coloured || !blackened) return undefined;
  const options = { codecAdvice, allocate: newMemory }; // both pictures are held at once
  const { width, height, data: colours } = await decodeWhole(coloured, options);
  const { data: blacks } = await decodeWhole(blackened, options);
  const flip = isYcck ? 0 : 255;
  const cmyk = new Uint8Array(width * height * 4);
  for (let from = 0, to = 0; from < colours.length; from += 3, to += 4) {
    cmyk[to] = colours[from]! ^ flip;
    cmyk[to + 1] = colours[from + 1]! ^ flip;
    cmyk[to + 2] = colours[from + 2]! ^ flip;
    cmyk[to + 3] = blacks[from + black.place]! ^ 255;
  }
  return { width, height, data: rgbOfCmyk(cmyk) };
}
