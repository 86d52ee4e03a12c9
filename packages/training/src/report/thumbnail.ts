import type { Signal } from "@residual/core";
import { decodeImage, encodeImage, type Pixels, resample } from "@residual/vision";
import type { Example, StoredPicture } from "../data/dataset.ts";

/** The longer side in pixels, of pictures that are shown at 136 points. */
const SIDE = 160;

export interface Thumbnail {
  /** A data URL. */
  readonly source: string;
  /** Whether its pixels are to be seen as they are. */
  readonly isSmall: boolean;
}

/** A small WebP of an example's picture; undefined for numbers. Throws as decodeImage and encodeImage do. */
export async function thumbnailOf({ picture }: Example, signal?: Signal): Promise<Thumbnail | undefined> {
  const pixels = await pixelsOf(picture, signal);
  if (!pixels) return undefined;
  const scale = Math.min(1, SIDE / Math.max(pixels.width, pixels.height));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const size = { width: side(pixels.width), height: side(pixels.height) };
  const small = scale === 1 ? pixels : resample(pixels, size, "bicubic");
  const bytes = await encodeImage(rgbaOf(small), "webp");
  return { source: `data:image/webp;base64,${base64(bytes)}`, isSmall: Math.max(size.width, size.height) < 64 };
}

function pixelsOf(picture: StoredPicture, signal: Signal | undefined): Promise<Pixels> | Pixels | undefined {
  if ("pixels" in picture) return picture.pixels;
  if ("path" in picture) return decodeImage(picture.path, { signal, upright: true });
  if ("file" in picture) return decodeImage(picture.file, { signal, upright: true });
  return undefined;
}

function rgbaOf({ width, height, data }: Pixels): { width: number; height: number; data: Uint8Array } {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) rgba.set(data.subarray(from, from + 3), to);
  return { width, height, data: rgba };
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
