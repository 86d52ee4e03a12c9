import { FormatError } from "@residual/core";
import { tidyCopy } from "./jpeg-components.ts";
import { keepCodec, takeCodec } from "./libjpeg-turbo.ts";
import type { Allocate } from "./pixel-memory.ts";
import type { Pixels } from "./pixels.ts";

export interface JpegOptions {
  /** What to do where WebAssembly does not load. */
  readonly codecAdvice: string;
  readonly allocate: Allocate;
}

/** The pixels of a JPEG of one or three components; undefined where libjpeg-turbo refuses or warns. */
async function pixelsOf(file: Uint8Array, { codecAdvice, allocate }: JpegOptions): Promise<Pixels | undefined> {
  const codec = await takeCodec(codecAdvice);
  const decoder = new codec.JPEGDecoder();
  decoder.getEncodedBuffer(file.length).set(file);
  try {
    decoder.decode();
  } catch {
    return undefined; // the codec is not used again
  }
  const { width, height, componentCount } = decoder.getFrameInfo();
  const samples = decoder.getDecodedBuffer();
  const data = allocate(width * height * 3);
  if (componentCount === 1) repeat(samples, data);
  else data.set(samples);
  decoder.delete();
  keepCodec(codec);
  return { width, height, data };
}

/** Grey as RGB. */
function repeat(grey: Uint8Array, rgb: Uint8Array): void {
  for (let i = 0, to = 0; i < grey.length; i++, to += 3) rgb[to] = rgb[to + 1] = rgb[to + 2] = grey[i]!;
}

/** Throws FormatError where libjpeg-turbo refuses or warns. */
export async function decodeWhole(file: Uint8Array, options: JpegOptions): Promise<Pixels> {
  const pixels = await pixelsOf(file, options);
  if (pixels) return pixels;
  throw new FormatError("found a damaged or cut JPEG; get the file anew, or save it again as PNG");
}

/**
 * The pixels of a JPEG in Huffman codes. libjpeg-turbo warns of much that does no harm, as stray bytes behind coded
 * pixels, which some cameras write; its interface does not say what a warning was. So a refused file is decoded again
 * from a copy of which it warns only where pixels were lost.
 */
export async function decodeTidied(file: Uint8Array, components: number, options: JpegOptions): Promise<Pixels> {
  const pixels = await pixelsOf(file, options);
  return pixels ?? decodeWhole(tidyCopy(file, components), options);
}
