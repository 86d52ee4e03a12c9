import type { RgbaImage } from "./pixels.ts";

/**
 * A PNG file of 8 bits a channel. Throws ShapeError where size and data differ, BackendUnavailableError where sharp,
 * which writes it, cannot be loaded.
 */
export async function encodePng(image: RgbaImage): Promise<Uint8Array<ArrayBuffer>> {
  return (await import("./sharp.ts")).encodeWithSharp(image);
}
