import { BackendUnavailableError, FormatError, ResidualError, UnsupportedError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { rgbOfCmyk } from "./cmyk.ts";
import type { FileOptions } from "./decode.ts";
import type { ImageFormat } from "./image-format.ts";
import { tidyCopy } from "./jpeg-components.ts";
import { readJpegHeader } from "./jpeg-file.ts";
import { jpegFrame } from "./jpeg-frame.ts";
import { checkRgba, type EncodedFormat, type Pixels, type RgbaImage } from "./pixels.ts";
import { rgbOfPremultiplied } from "./premultiplied.ts";
import { checkSize } from "./size-limit.ts";
import { tiffPage } from "./tiff.ts";

type FailOn = "warning" | "error";

/** libtiff's message for a compression that it was built without. */
const UNSUPPORTED = /is not (configured|implemented)/;

/**
 * What libjpeg calls a warning though pixels were lost and made up: its decoder then goes on with grey. Pillow takes
 * some of these files; a half decoded image is no image, so they are refused here. Source: libjpeg, jerror.h, the JWRN
 * codes.
 */
const LOSS = /premature end|bad (huffman|arithmetic) code|instead of RST/i;

/** The pixels of a JPEG, PNG, WebP or TIFF file, by sharp. Its header is read and checked before any pixel is. */
export async function decodeWithSharp(
  sharp: typeof import("sharp").default,
  bytes: Uint8Array,
  format: ImageFormat,
  options: FileOptions,
): Promise<Pixels> {
  const page = format === "TIFF" ? tiffPage(bytes) : undefined;
  // `maxPixels` stands in for sharp's own limit
  const settings: SharpOptions = { ignoreIcc: true, autoOrient: options.upright, limitInputPixels: false };
  const work = async (file: Uint8Array, failOn: FailOn) => {
    const open = () => sharp(file, { ...settings, failOn }); // it holds state: used once
    const header = await open().metadata();
    checkHeader(header, options.maxPixels);
    const isPremultiplied = page?.isPremultiplied && header.channels === 4 && header.space !== "cmyk";
    return isPremultiplied ? decodePremultiplied(open(), header) : decode(open(), header);
  };
  try {
    const again = () =>
      format === "JPEG" ? work(tidied(bytes, options.maxPixels), "warning") : work(page?.file ?? bytes, "error");
    const pixels = await unlessBenign(() => work(page?.file ?? bytes, "warning"), again);
    return page ? page.finish(pixels) : pixels;
  } catch (cause) {
    if (!(cause instanceof Error && UNSUPPORTED.test(cause.message))) throw cause;
    const why = shown(cause.message.trim().replace(/\n.*/s, ""));
    throw new UnsupportedError(`sharp does not read it (${why}); save it as an RGB PNG`, {
      cause,
    });
  }
}

/**
 * Warnings stop the work, and where they tell of no loss it is done `again`: a JPEG with stray bytes before a marker is
 * as whole as it was, and Pillow takes it.
 */
async function unlessBenign<T>(work: () => Promise<T>, again: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ResidualError || LOSS.test(String(cause))) throw cause;
    return again();
  }
}

/**
 * A copy of a JPEG of which libjpeg warns only where pixels were lost. Only the first warning is seen, and it may hide
 * another. A JPEG in arithmetic codes is left as it is behind its headers.
 */
function tidied(bytes: Uint8Array, maxPixels: number): Uint8Array {
  const { width, height, coded } = readJpegHeader(bytes);
  checkSize(width, height, maxPixels);
  const { file, process, sampling } = jpegFrame(bytes, coded);
  return process <= 2 ? tidyCopy(file, sampling.length) : file;
}

function checkHeader({ width, height, depth }: Metadata, maxPixels: number): void {
  checkSize(width, height, maxPixels);
  if (depth === "uchar" || depth === "ushort") return;
  throw new UnsupportedError(`found samples of type ${depth}, expected 8 or 16 bits; save it as an 8-bit PNG`);
}

async function decode(image: Sharp, header: Metadata): Promise<Pixels> {
  if (header.space === "cmyk") return decodeCmyk(image, header);
  const { data, info } = await image.removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const rgb = new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (rgb.length === width * height * 3) return { width, height, data: rgb };
  throw new FormatError(`found ${info.channels} channels of ${header.space}, expected RGB; save it as an RGB PNG`);
}

/** CMYK is read unconverted: sharp converts to RGB by a colour profile, Pillow by arithmetic. */
async function decodeCmyk(image: Sharp, { depth }: Metadata): Promise<Pixels> {
  const inks = image.removeAlpha().pipelineColourspace("cmyk").toColourspace("cmyk");
  const { width, height, samples } = await samplesOf(inks, depth);
  if (samples.length !== width * height * 4) {
    throw new FormatError(`found ${samples.length} samples of CMYK, expected 4 a pixel; save it as an RGB PNG`);
  }
  return { width, height, data: rgbOfCmyk(samples instanceof Uint8Array ? samples : samples.map(highByte)) };
}

const highByte = (sample: number) => sample >> 8;

/** libvips divides by alpha in floating point, Pillow in whole numbers: the division is undone and done again. */
async function decodePremultiplied(image: Sharp, { depth }: Metadata): Promise<Pixels> {
  const rgba = image.toColourspace(depth === "ushort" ? "rgb16" : "srgb");
  const { width, height, samples } = await samplesOf(rgba, depth);
  return { width, height, data: rgbOfPremultiplied(samples) };
}

interface Samples {
  readonly width: number;
  readonly height: number;
  readonly samples: Uint8Array | Uint16Array;
}

/** Samples as wide as the file's: sharp's own way to 8 bits takes CMYK of 16 bits for one of 8. */
async function samplesOf(image: Sharp, depth: Metadata["depth"]): Promise<Samples> {
  const raw = image.raw({ depth: depth === "ushort" ? "ushort" : "uchar" });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  const { buffer, byteOffset, length } = data;
  const samples =
    depth === "ushort" ? new Uint16Array(buffer, byteOffset, length / 2) : new Uint8Array(buffer, byteOffset, length);
  return { width: info.width, height: info.height, samples };
}

/** An image file of RGBA pixels. A picture without transparent pixels is written without alpha. */
export async function encodeWithSharp(image: RgbaImage, format: EncodedFormat): Promise<Uint8Array<ArrayBuffer>> {
  checkRgba(image);
  const { width, height, data } = image;
  const { sharp, why } = await findSharp();
  if (!sharp) throw new BackendUnavailableError(`sharp alone writes pictures in Node; ${why}`);
  const whole = sharp(data, { raw: { width, height, channels: 4 } });
  const isOpaque = data.every((value, i) => i % 4 !== 3 || value === 255);
  const options = format === "png" ? {} : { quality: 90 }; // a PNG with a quality has a palette
  return Uint8Array.from(await (isOpaque ? whole.removeAlpha() : whole).toFormat(format, options).toBuffer());
}

/** sharp, or why it does not load, with the command that mends it. */
export type FoundSharp =
  | { readonly sharp: typeof import("sharp").default; readonly why: undefined }
  | { readonly sharp: undefined; readonly why: string };

let found: Promise<FoundSharp> | undefined;

/** Imports sharp when first asked for. Never rejects. */
export function findSharp(): Promise<FoundSharp> {
  found ??= import("sharp").then(
    ({ default: sharp }) => ({ sharp, why: undefined }),
    (cause: unknown) => ({ sharp: undefined, why: whyMissing(cause) }),
  );
  return found;
}

/** sharp's errors are replaced by typed ones. */
export function whyMissing(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const isAbsent = (cause as { code?: unknown } | null)?.code === "ERR_MODULE_NOT_FOUND" && /'sharp'/.test(message);
  if (isAbsent) return "sharp is not installed; npm install sharp";
  const { platform, arch } = process;
  const words = shown(
    message
      .trim()
      .replaceAll(/\s*\n[\s-]*/g, "; ")
      .replaceAll(":;", ":"),
    200,
  );
  const way = `npm install --os=${platform} --cpu=${arch} --include=optional sharp`;
  return `sharp is installed but does not load (${words}); ${way}`;
}
