import { describeValue, UnsupportedError } from "@residual/core";
import { nameOf, readBytes } from "@residual/kit/bytes";
import { checkCanvasReads } from "./canvas-reads.ts";
import { type DecodeOptions, type DecodeWith, type FileOptions, imageDecoder, type Picture } from "./decode.ts";
import { type DecodeInto, intoDecoder } from "./decode-into.ts";
import type { CanvasLike } from "./given-pixels.ts";
import type { ImageFormat } from "./image-format.ts";
import type { PictureSupport } from "./picture-support.ts";
import type { Pixels, RgbaImage } from "./pixels.ts";
import { decodePortably, type PortablePlatform, portableFormats } from "./portable.ts";

/** The part of the DOM that is used here: the packages are checked without it. */
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d", options: { readonly willReadFrequently: boolean }): Context2d | null;
}
interface Context2d {
  drawImage(image: unknown, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): RgbaImage;
}

const decodeFile = imageDecoder({ readBytes, decodeFile: decodeInBrowser });

/**
 * The pixels of an image: of a file from a URL, a Blob or File, a Response, bytes or a stream; of an image element,
 * whose file is fetched; of a video element, a VideoFrame, an ImageBitmap or a canvas, as a canvas gives them; or those
 * that ImageData or an object `{ width, height, data }` of RGB or RGBA holds.
 *
 * JPEG, PNG, WebP, GIF, BMP, PBM, PGM and PPM files give the bits that they give in Node, which are Pillow's, in every
 * browser and in workers: the browser's own decoders are not asked, since each differs somewhere, and neither a canvas
 * nor WebGL is read. TIFF and rare kinds of JPEG are refused. JPEG and WebP need WebAssembly.
 *
 * The header is checked against `maxPixels` before any pixel is read. Throws FormatError for a file that is not a
 * complete image, not found or too large, UnsupportedError for formats that are not decoded in browsers and for a
 * canvas that the browser does not read exactly, ShapeError for pixels that do not fit their size, AbortError,
 * OutOfMemoryError, and BackendUnavailableError for a page that forbids WebAssembly.
 */
export async function decodeImage(source: Picture, options: DecodeOptions = {}): Promise<Pixels> {
  return decode(source, options);
}

const decode: DecodeWith = async (source, options, allocate) => decodeFile(drawn(source) ?? source, options, allocate);

export const decodeInto: DecodeInto = intoDecoder(decode);

/** The picture decoder, for reports. */
export async function describePictures(): Promise<PictureSupport> {
  return { library: "portable", formats: portableFormats };
}

const browser: PortablePlatform = {
  refusal: (found) => new UnsupportedError(`found ${found}, which is not decoded in browsers; save it as PNG`),
  otherwise: "save it as PNG",
  codecAdvice:
    "if the page has a Content-Security-Policy, add 'wasm-unsafe-eval' to its script-src; a Cloudflare worker hands the " +
    "decoder over by setCodec; a PNG needs no WebAssembly",
};

function decodeInBrowser(bytes: Uint8Array, format: ImageFormat, options: FileOptions): Promise<Pixels> {
  return decodePortably(bytes, format, { ...options, platform: browser });
}

/** The fields that distinguish sources that a page can draw. */
interface Drawable {
  readonly currentSrc?: unknown;
  readonly src?: unknown;
  readonly videoWidth?: number;
  readonly videoHeight?: number;
  readonly displayWidth?: number;
  readonly displayHeight?: number;
  readonly width?: number;
  readonly height?: number;
  readonly close?: unknown;
}

/** The address of an image element; the pixels of what else can be drawn; undefined for any other source. */
function drawn(source: Picture): string | RgbaImage | undefined {
  if (typeof source !== "object" || source === null || "data" in source) return undefined;
  const { currentSrc, src, videoWidth, videoHeight, displayWidth, displayHeight, width, height, close } =
    source as Drawable;
  if (videoWidth !== undefined) return drawnAt(source, videoWidth, videoHeight!);
  if (typeof currentSrc === "string") return currentSrc || String(src);
  if (displayWidth !== undefined) return drawnAt(source, displayWidth, displayHeight!);
  const isBitmap = typeof close === "function" && width !== undefined && height !== undefined;
  if (isBitmap) return drawnAt(source, width, height);
  if (!("getContext" in source)) return undefined;
  if (!has2d(source)) return drawnAt(source, source.width, source.height);
  checkCanvasReads(nameOf(source, "image"), FILE_INSTEAD);
  return undefined;
}

const FILE_INSTEAD = "give the picture's file instead";

/** Returns null for a canvas with a context of another kind, and throws for a transferred canvas. */
function has2d(canvas: CanvasLike): boolean {
  try {
    return canvas.getContext("2d") !== null;
  } catch {
    return false;
  }
}

function drawnAt(source: unknown, width: number, height: number): RgbaImage {
  const name = nameOf(source, "image");
  if (!(width > 0 && height > 0)) {
    throw new UnsupportedError(`${name}: ${describeValue(source)} has no picture yet; wait until it is loaded`);
  }
  checkCanvasReads(name, FILE_INSTEAD);
  const context = context2d(width, height);
  try {
    context.drawImage(source, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 200);
    throw new UnsupportedError(`${name}: ${describeValue(source)} does not give its pixels (${why})`, { cause });
  }
}

function context2d(width: number, height: number): Context2d {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context) return context;
  throw new UnsupportedError(`this browser has no canvas of ${width} x ${height}`);
}
