import { readBytes } from "@residual/kit/bytes";
import { type DecodeOptions, imageDecoder, type Picture } from "./decode.ts";
import type { PictureSupport } from "./picture-support.ts";
import type { Pixels } from "./pixels.ts";

/**
 * The pixels of an image: of a file from a path, a URL, a Blob, a Response, bytes or a stream; or those that ImageData,
 * a canvas, or an object `{ width, height, data }` of RGB or RGBA holds.
 *
 * JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM and PPM files give the bits of Pillow's `convert("RGB")`: grey is
 * repeated, a palette looked up, alpha dropped and never blended, a colour profile not applied; of an animation or of
 * pages the first. Two answers are not Pillow's: 16-bit grey is read by its high byte, where Pillow clips, and a file
 * that lost pixels is refused, where Pillow takes some JPEGs.
 *
 * The header is checked against `maxPixels` before any pixel is read. Throws FormatError for what is no whole image (or
 * not found, or too large), UnsupportedError for colours or compressions that are not read, ShapeError for pixels that
 * do not fit their size, AbortError, OutOfMemoryError, and BackendUnavailableError where sharp, which decodes JPEG,
 * PNG, WebP and TIFF, cannot be loaded.
 */
export const decodeImage: (source: Picture, options?: DecodeOptions) => Promise<Pixels> = imageDecoder({
  readBytes,
  decodeFile: async (...args) => (await import("./sharp.ts")).decodeWithSharp(...args),
});

/** What decodes pictures here, for reports and for `residual doctor`. Never throws. */
export async function describePictures(): Promise<PictureSupport> {
  const sharp = await import("./sharp.ts");
  return sharp.describePictures();
}
