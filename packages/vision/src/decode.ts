import { BackendUnavailableError, FormatError, ResidualError, type Signal, throwIfAborted } from "@residual/core";
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { rgbOfCmyk } from "./cmyk.ts";
import { readImageFile } from "./image-file.ts";
import { checkImageFormat } from "./image-format.ts";
import type { Pixels } from "./pixels.ts";

export interface DecodeOptions {
  /** Turn the image as its EXIF data says. torchvision's loader does not. */
  readonly upright?: boolean | undefined;
  readonly signal?: Signal | undefined;
  /** The most pixels, width × height, that the header may claim. 100 million unless told. */
  readonly maxPixels?: number | undefined;
}

type FailOn = "warning" | "error";

const MAX_PIXELS = 100e6;

/**
 * What libjpeg calls a warning though pixels were lost and made up: its decoder then goes on with grey. Pillow takes
 * some of these files; a half decoded image is no image, so they are refused here. Source: libjpeg, jerror.h, the JWRN
 * codes.
 */
const LOSS = /premature end|bad (huffman|arithmetic) code|instead of RST/i;

/**
 * The pixels of a JPEG, PNG, WebP, GIF or TIFF image, from a path or from bytes; the same bit for bit as Pillow's
 * `convert("RGB")`: grey is repeated, a palette looked up, alpha dropped and never blended, a colour profile not
 * applied; of an animation or of pages, the first. 16-bit samples are read by their high byte, where Pillow clips grey.
 * Transparent pixels of a GIF are black, since the decoder does not keep their colour.
 *
 * The header is read and held against `maxPixels` before any pixel is. Throws FormatError for what is no whole image
 * (or not found, or too large), AbortError, and BackendUnavailableError where sharp, which decodes, cannot be loaded.
 * In a browser decode with createImageBitmap and `colorSpaceConversion: "none"`, and use `pixelsOfRgba`.
 */
export async function decodeImage(source: string | Uint8Array, options: DecodeOptions = {}): Promise<Pixels> {
  const name = typeof source === "string" ? source : "image";
  throwIfAborted(options.signal);
  const bytes = typeof source === "string" ? await readImageFile(source) : source;
  checkImageFormat(bytes, name);
  const open = await opener(bytes, options);
  const header = await orFormatError(name, () => unlessBenign((failOn) => open(failOn).metadata()));
  checkHeader(header, options.maxPixels ?? MAX_PIXELS, name);
  throwIfAborted(options.signal);
  const pixels = await orFormatError(name, () => unlessBenign((failOn) => decode(open(failOn), header)));
  throwIfAborted(options.signal);
  return pixels;
}

/** A sharp pipeline holds state, so each use opens its own. `maxPixels` stands in for sharp's own limit. */
async function opener(bytes: Uint8Array, { upright }: DecodeOptions): Promise<(failOn: FailOn) => Sharp> {
  const { default: sharp } = await loadSharp();
  const settings: SharpOptions = { ignoreIcc: true, autoOrient: upright ?? false, limitInputPixels: false };
  return (failOn) => sharp(bytes, { ...settings, failOn });
}

/**
 * Warnings stop the work, and where they tell of no loss it is done again without them: a JPEG with stray bytes before
 * a marker is as whole as it was, and Pillow takes it. Errors (a PNG's wrong checksum, a cut file) stop it both times.
 */
async function unlessBenign<T>(work: (failOn: FailOn) => Promise<T>): Promise<T> {
  try {
    return await work("warning");
  } catch (cause) {
    if (LOSS.test(String(cause))) throw cause;
    return work("error");
  }
}

/** Imported when first used: the rest of the package runs in browsers. */
async function loadSharp(): Promise<typeof import("sharp")> {
  try {
    return await import("sharp");
  } catch (cause) {
    throw new BackendUnavailableError("sharp, which decodes images, could not be loaded; run `npm install sharp`", {
      cause,
    });
  }
}

function checkHeader({ width, height, depth }: Metadata, maxPixels: number, name: string): void {
  if (!(width * height <= maxPixels)) {
    const found = `${width} x ${height}, ${width * height} pixels`;
    throw new FormatError(`${name}: found ${found}, expected at most ${maxPixels}; shrink it, or raise maxPixels`);
  }
  if (depth !== "uchar" && depth !== "ushort") {
    throw new FormatError(`${name}: found samples of type ${depth}, expected 8 or 16 bits; save it as an 8-bit PNG`);
  }
}

/** CMYK is read as it is, since sharp's own way to RGB is a colour profile and Pillow's is not. */
async function decode(image: Sharp, { space }: Metadata): Promise<Pixels> {
  const isCmyk = space === "cmyk";
  const opaque = image.removeAlpha();
  const even = isCmyk ? opaque.pipelineColourspace("cmyk").toColourspace("cmyk") : opaque.toColourspace("srgb");
  const { data, info } = await even.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const rgb = isCmyk ? rgbOfCmyk(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (rgb.length === width * height * 3) return { width, height, data: rgb };
  throw new FormatError(`found ${info.channels} channels of ${space}, expected RGB; save it as an RGB PNG`);
}

/** What sharp cannot read is a FormatError, in sharp's own words. */
async function orFormatError<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const found = (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, "; ");
    if (cause instanceof ResidualError) throw new FormatError(`${name}: ${found}`, { cause });
    throw new FormatError(`${name}: found a damaged or cut image (${found}), expected a whole one; get the file anew`, {
      cause,
    });
  }
}
