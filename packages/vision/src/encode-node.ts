import type { EncodedFormat, RgbaImage } from "./pixels.ts";

/**
 * An image file of 8 bits a channel: a PNG, bit for bit, or a JPEG or WebP of quality 90, without alpha in a JPEG.
 * Throws ShapeError where size and data differ, BackendUnavailableError where sharp, which writes it, cannot be loaded.
 */
export async function encodeImage(image: RgbaImage, format: EncodedFormat = "png"): Promise<Uint8Array<ArrayBuffer>> {
  return (await import("./sharp.ts")).encodeWithSharp(image, format);
}
