import { FormatError } from "@residual/core";
import { tidyCopy } from "./jpeg-components.ts";
import { keepCodec, takeCodec } from "./libjpeg-turbo.ts";
import type { Pixels } from "./pixels.ts";

/** The pixels of a JPEG of one or three components; undefined where libjpeg-turbo refuses or warns. */
async function pixelsOf(file: Uint8Array, codecAdvice: string): Promise<Pixels | undefined> {
  const codec = await takeCodec(codecAdvice);
  const decoder = new codec.JPEGDecoder();
  decoder.getEncodedBuffer(file.length).set(file);
  try {
    decoder.decode();
  } catch {
    return undefined; // the codec is not used again
  }
  const { width, height, componentCount } = decoder.getFrameInfo();
  const samples = new Uint8Array(decoder.getDecodedBuffer().buffer);
  decoder.delete();
  keepCodec(codec);
  return { width, height, data: componentCount === 1 ? repeated(samples) : samples };
}

/** Grey as RGB. */
function repeated(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0, to = 0; i < grey.length; i++, to += 3) rgb.fill(grey[i]!, to, to + 3);
  return rgb;
}

/** Throws FormatError where libjpeg-turbo refuses or warns. */
export async function decodeWhole(file: Uint8Array, codecAdvice: string): Promise<Pixels> {
  const pixels = await pixelsOf(file, codecAdvice);
  if (pixels) return pixels;
  throw new FormatError("found a damaged or cut JPEG; get the file anew, or save it again as PNG");
}

/**
 * The pixels of a JPEG in Huffman codes. libjpeg-turbo warns of much that does no harm, as stray bytes behind coded
 * pixels, which some cameras write; its interface does not say what a warning was. So a refused file is decoded again
 * from a copy of which it warns only where pixels were lost.
 */
export async function decodeTidied(file: Uint8Array, components: number, codecAdvice: string): Promise<Pixels> {
  const pixels = await pixelsOf(file, codecAdvice);
  return pixels ?? decodeWhole(tidyCopy(file, components), codecAdvice);
}
