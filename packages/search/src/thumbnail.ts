import type { WorkOptions } from "@residual/core";
import { decodeImage, encodeImage, type Picture, type Pixels, resample } from "@residual/vision";

/** The longer side in pixels: sharp on screens with two pixels a point. */
const SIDE = 320;

/** A small WebP of a picture, turned as browsers turn the picture. Throws as decodeImage and encodeImage do. */
export async function thumbnailOf(picture: Picture, signal: WorkOptions["signal"]): Promise<Uint8Array> {
  const pixels = await decodeImage(picture, { signal, upright: true });
  const scale = Math.min(1, SIDE / Math.max(pixels.width, pixels.height));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const small = resample(pixels, { width: side(pixels.width), height: side(pixels.height) }, "bicubic");
  return encodeImage(rgbaOf(small), "webp");
}

function rgbaOf({ width, height, data }: Pixels): { width: number; height: number; data: Uint8Array } {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) rgba.set(data.subarray(from, from + 3), to);
  return { width, height, data: rgba };
}
