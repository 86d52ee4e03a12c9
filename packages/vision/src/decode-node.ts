import { BackendUnavailableError } from "@residual/core";
import { readBytes } from "@residual/kit/bytes";
import { type DecodeOptions, type FileOptions, imageDecoder, type Picture } from "./decode.ts";
import { type DecodeInto, intoDecoder } from "./decode-into.ts";
import { type ImageFormat, imageFormats } from "./image-format.ts";
import { once } from "./load-decoder.ts";
import type { PictureSupport } from "./picture-support.ts";
import type { Pixels } from "./pixels.ts";
import type { PortablePlatform } from "./portable.ts";

/**
 * The pixels of an image: of a file from a path, a URL, a Blob, a Response, bytes or a stream; or those that ImageData,
 * a canvas, or an object `{ width, height, data }` of RGB or RGBA holds.
 *
 * JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM and PPM files give the bits of Pillow's `convert("RGB")`: grey is repeated,
 * a palette looked up, alpha dropped and never blended, a colour profile not applied; of an animation or of pages the
 * first. Two answers are not Pillow's: 16-bit grey is read by its high byte, where Pillow clips, and a file that lost
 * pixels is refused, where Pillow takes some JPEGs.
 *
 * The header is checked against `maxPixels` before any pixel is read. Throws FormatError for a file that is not a
 * complete image, not found or too large, UnsupportedError for unsupported colours or compressions, ShapeError for
 * pixels that do not fit their size, AbortError, OutOfMemoryError, and BackendUnavailableError where sharp does not
 * load, for TIFF and the JPEGs that sharp alone decodes.
 */
export const decodeImage = (source: Picture, options?: DecodeOptions): Promise<Pixels> => decode(source, options);

const decode = imageDecoder({ readBytes, decodeFile });

export const decodeInto: DecodeInto = intoDecoder(decode);

const jpegFile = once(() => import("./jpeg-file.ts"));
const portable = once(() => import("./portable.ts"));
const withSharp = once(() => import("./sharp.ts"));

/** Small JPEGs without native code, which takes less time for them; others by sharp where it loads. */
async function decodeFile(bytes: Uint8Array, format: ImageFormat, options: FileOptions): Promise<Pixels> {
  const small = format === "JPEG" ? await decodeSmallJpeg(bytes, options) : undefined;
  if (small) return small;
  const { decodeWithSharp, findSharp } = await withSharp();
  const { sharp, why } = await findSharp();
  if (sharp) return decodeWithSharp(sharp, bytes, format, options);
  const { decodePortably } = await portable();
  return decodePortably(bytes, format, { ...options, platform: withoutSharp(why) });
}

/**
 * A JPEG of more pixels is decoded by sharp. Both decoders are libjpeg-turbo. sharp takes 0.5 ms more for each file,
 * and the WebAssembly 3 ms more for each megapixel, during which this thread does nothing else.
 */
const SMALL = 1 << 18;

/** The pixels of a small JPEG; undefined for a file of other pixels, of a rare coding, or with a fault. */
async function decodeSmallJpeg(bytes: Uint8Array, options: FileOptions): Promise<Pixels | undefined> {
  const { jpegSize } = await jpegFile();
  const size = jpegSize(bytes);
  if (!size || size.width * size.height > Math.min(SMALL, options.maxPixels)) return undefined;
  const { decodePortably } = await portable();
  return decodePortably(bytes, "JPEG", { ...options, platform: withoutSharp("") }).catch(() => undefined);
}

/** Exported for tests. */
export function withoutSharp(why: string): PortablePlatform {
  return {
    refusal: (found) => new BackendUnavailableError(`found ${found}, which sharp alone decodes; ${why}`),
    otherwise: `use sharp (${why})`,
    codecAdvice: why,
  };
}

/** The picture decoder in use, for reports and for `residual doctor`. Never throws. */
export async function describePictures(): Promise<PictureSupport> {
  const { findSharp } = await withSharp();
  const { sharp, why } = await findSharp();
  if (!sharp) {
    const { portableFormats } = await portable();
    return { library: "portable", formats: portableFormats, reason: why };
  }
  const { sharp: version, vips } = sharp.versions;
  return { library: `sharp ${version} (libvips ${vips})`, formats: imageFormats };
}
