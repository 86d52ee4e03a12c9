import { BackendUnavailableError, FormatError, UnsupportedError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { rgbOfCmyk } from "./cmyk.ts";
import type { FileOptions } from "./decode.ts";
import { type ImageFormat, imageFormats } from "./image-format.ts";
import type { PictureSupport } from "./picture-support.ts";
import type { Pixels } from "./pixels.ts";
import { rgbOfPremultiplied } from "./premultiplied.ts";
import { checkSize } from "./size-limit.ts";
import { tiffPage } from "./tiff.ts";

type FailOn = "warning" | "error";

/** What libtiff says of compressions that it was built without. */
const UNSUPPORTED = /is not (configured|implemented)/;

/**
 * What libjpeg calls a warning though pixels were lost and made up: its decoder then goes on with grey. Pillow takes
 * some of these files; a half decoded image is no image, so they are refused here. Source: libjpeg, jerror.h, the JWRN
 * codes.
 */
const LOSS = /premature end|bad (huffman|arithmetic) code|instead of RST/i;

/** The pixels of a JPEG, PNG, WebP or TIFF file, by sharp. Its header is read and checked before any pixel is. */
export async function decodeWithSharp(bytes: Uint8Array, format: ImageFormat, options: FileOptions): Promise<Pixels> {
  const { default: sharp } = await loadSharp();
  const page = format === "TIFF" ? tiffPage(bytes) : undefined;
  // `maxPixels` stands in for sharp's own limit
  const settings: SharpOptions = { ignoreIcc: true, autoOrient: options.upright, limitInputPixels: false };
  const open = (failOn: FailOn) => sharp(page?.file ?? bytes, { ...settings, failOn }); // it holds state: used once
  try {
    const header = await unlessBenign((failOn) => open(failOn).metadata());
    checkHeader(header, options.maxPixels);
    const isPremultiplied = page?.isPremultiplied && header.channels === 4 && header.space !== "cmyk";
    const work = isPremultiplied ? decodePremultiplied : decode;
    const pixels = await unlessBenign((failOn) => work(open(failOn), header));
    return page ? page.finish(pixels) : pixels;
  } catch (cause) {
    if (!(cause instanceof Error && UNSUPPORTED.test(cause.message))) throw cause;
    throw new UnsupportedError(`sharp does not read it (${shown(cause.message.trim())}); save it as an RGB PNG`, {
      cause,
    });
  }
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

function checkHeader({ width, height, depth }: Metadata, maxPixels: number): void {
  checkSize(width, height, maxPixels);
  if (depth === "uchar" || depth === "ushort") return;
  throw new UnsupportedError(`found samples of type ${depth}, expected 8 or 16 bits; save it as an 8-bit PNG`);
}

async function decode(image: Sharp, header: Metadata): Promise<Pixels> {
  const isCmyk = header.space === "cmyk";
  const opaque = image.removeAlpha();
  // CMYK is read as it is, since sharp's own way to RGB is a colour profile and Pillow's is not
  const even = isCmyk ? opaque.pipelineColourspace("cmyk").toColourspace("cmyk") : opaque.toColourspace("srgb");
  const { data, info } = await even.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const rgb = isCmyk ? rgbOfCmyk(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (rgb.length === width * height * 3) return { width, height, data: rgb };
  throw new FormatError(`found ${info.channels} channels of ${header.space}, expected RGB; save it as an RGB PNG`);
}

/** libvips divides by alpha in floating point, Pillow in whole numbers: the division is undone and done again. */
async function decodePremultiplied(image: Sharp, { depth }: Metadata): Promise<Pixels> {
  const isWide = depth === "ushort";
  const raw = image.toColourspace(isWide ? "rgb16" : "srgb").raw({ depth: isWide ? "ushort" : "uchar" });
  const { data, info } = await raw.toBuffer({ resolveWithObject: true });
  const samples = isWide
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { width: info.width, height: info.height, data: rgbOfPremultiplied(samples) };
}

/** Imported when first used. */
async function loadSharp(): Promise<typeof import("sharp")> {
  try {
    return await import("sharp");
  } catch (cause) {
    throw new BackendUnavailableError(reasonOf(cause), { cause });
  }
}

/**
 * sharp is absent, or it is there and its binary for this platform is not: the commonest trouble there is, for which
 * sharp has words of its own.
 */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const isAbsent = (cause as { code?: unknown } | null)?.code === "ERR_MODULE_NOT_FOUND" && /'sharp'/.test(message);
  if (isAbsent) return "sharp, which decodes images in Node, is not installed; npm install sharp";
  const { platform, arch } = process;
  const words = shown(message.trim().replaceAll(/\s*\n[\s-]*/g, "; "), 500);
  const way = `npm install --os=${platform} --cpu=${arch} --include=optional sharp`;
  return `sharp, which decodes images in Node, is installed but does not load (${words}); ${way}`;
}

/** What decodes pictures here, for reports and for `residual doctor`. Never throws. */
export async function describePictures(): Promise<PictureSupport> {
  try {
    const { default: sharp } = await loadSharp();
    const { sharp: version, vips } = sharp.versions;
    const library = `sharp ${version ?? "unknown"} (libvips ${vips})`;
    return { available: true, library, formats: imageFormats, reason: undefined };
  } catch (error) {
    return { available: false, library: "sharp", formats: ["GIF", "BMP", "PNM"], reason: (error as Error).message };
  }
}
