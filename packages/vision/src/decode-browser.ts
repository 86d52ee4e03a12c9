import { describeValue, UnsupportedError } from "@residual/core";
import { nameOf, readBytes } from "@residual/kit/bytes";
import { type DecodeOptions, type FileOptions, imageDecoder, type Picture } from "./decode.ts";
import type { CanvasLike } from "./given-pixels.ts";
import { readImageFile } from "./image-file.ts";
import { type ImageFormat, imageFormats } from "./image-format.ts";
import { turned } from "./orientation.ts";
import type { PictureSupport } from "./picture-support.ts";
import { type Pixels, pixelsOfRgba, type RgbaImage } from "./pixels.ts";
import { checkSize } from "./size-limit.ts";

/** The part of the DOM that is used here: the packages are checked without it. */
interface Bitmap {
  readonly width: number;
  readonly height: number;
  close(): void;
}
declare function createImageBitmap(file: Blob, options: { readonly [name: string]: string }): Promise<Bitmap>;
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d", options: { readonly willReadFrequently: boolean }): Context2d | null;
  getContext(kind: "webgl2"): WebGl | null;
}
interface Context2d {
  drawImage(image: unknown, x: number, y: number): void;
  clearRect(x: number, y: number, width: number, height: number): void;
  getImageData(x: number, y: number, width: number, height: number): RgbaImage;
}
/** The part of a WebGL2RenderingContext that reads a texture. */
interface WebGl {
  readonly TEXTURE_2D: number;
  readonly RGBA: number;
  readonly UNSIGNED_BYTE: number;
  readonly FRAMEBUFFER: number;
  readonly COLOR_ATTACHMENT0: number;
  readonly MAX_TEXTURE_SIZE: number;
  getParameter(name: number): number;
  createTexture(): object;
  bindTexture(target: number, texture: object): void;
  texImage2D(target: number, level: number, held: number, format: number, type: number, source: Bitmap): void;
  createFramebuffer(): object;
  bindFramebuffer(target: number, framebuffer: object): void;
  framebufferTexture2D(target: number, attachment: number, kind: number, texture: object, level: number): void;
  readPixels(x: number, y: number, width: number, height: number, format: number, type: number, into: Uint8Array): void;
  getError(): number;
  getExtension(name: "WEBGL_lose_context"): { loseContext(): void } | null;
}

const decodeFile = imageDecoder({ readBytes, decodeFile: decodeInBrowser });

/**
 * The pixels of an image: of a file from a URL, a Blob or File, a Response, bytes or a stream; of an image element,
 * whose file is fetched; of a video element, a VideoFrame, an ImageBitmap or a canvas, as a canvas gives them; or those
 * that ImageData or an object `{ width, height, data }` of RGB or RGBA holds.
 *
 * JPEG, PNG, WebP, GIF, BMP, PBM, PGM and PPM files give the bits that they give in Node, which are Pillow's, with one
 * deviation: a CMYK JPEG differs by at most one level, since browsers do not give its inks. Colours beneath alpha are
 * read by way of WebGL 2, as a canvas loses them. TIFF is not read, since browsers do not decode it.
 *
 * The header is checked against `maxPixels` before any pixel is read. Throws FormatError for a file that is not a
 * complete image, not found or too large, UnsupportedError for formats that this browser does not decode, ShapeError
 * for pixels that do not fit their size, AbortError, OutOfMemoryError.
 */
export async function decodeImage(source: Picture, options: DecodeOptions = {}): Promise<Pixels> {
  return decodeFile(drawn(source) ?? source, options);
}

/** The picture decoder, for reports. */
export async function describePictures(): Promise<PictureSupport> {
  const formats = imageFormats.filter((format) => format !== "TIFF");
  return { library: "createImageBitmap", formats };
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
  const canvas = "getContext" in source ? source : undefined;
  return canvas && !has2d(canvas) ? drawnAt(canvas, canvas.width, canvas.height) : undefined;
}

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

async function decodeInBrowser(bytes: Uint8Array, format: ImageFormat, options: FileOptions): Promise<Pixels> {
  if (format === "TIFF") throw new UnsupportedError("found TIFF, which browsers do not decode; convert it to PNG");
  const file = readImageFile(bytes, format);
  checkSize(file.width, file.height, options.maxPixels);
  const blob = new Blob([...file.parts] as Uint8Array<ArrayBuffer>[]);
  // neither the colour profile nor alpha changes a number; browsers ignore "none" as an orientation
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  try {
    const pixels = file.hasAlpha ? beneathAlpha(bitmap) : opaque(bitmap);
    return options.upright ? turned(pixels, file.orientation) : pixels;
  } finally {
    bitmap.close();
  }
}

/** Rows that are read at a time: browsers limit a canvas, and copy it. */
const ROWS = 1024;

function opaque(bitmap: Bitmap): Pixels {
  const { width, height } = bitmap;
  const data = new Uint8Array(width * height * 3);
  const context = context2d(width, Math.min(ROWS, height));
  for (let y = 0; y < height; y += ROWS) {
    const rows = Math.min(ROWS, height - y);
    context.drawImage(bitmap, 0, -y);
    data.set(pixelsOfRgba(context.getImageData(0, 0, width, rows)).data, y * width * 3);
  }
  return { width, height, data };
}

/** A canvas multiplies by alpha and divides again; a texture keeps the numbers. */
function beneathAlpha(bitmap: Bitmap): Pixels {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl)
    throw new UnsupportedError("found a picture with alpha, for which this browser needs WebGL 2; save it without");
  try {
    const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    if (Math.max(width, height) > most) {
      const found = `${width} x ${height} with alpha`;
      throw new UnsupportedError(`found ${found}, expected sides of at most ${most} in this browser; save it without`);
    }
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const data = new Uint8Array(width * height * 3);
    const rgba = new Uint8Array(width * Math.min(ROWS, height) * 4);
    for (let y = 0; y < height; y += ROWS) {
      const rows = Math.min(ROWS, height - y);
      gl.readPixels(0, y, width, rows, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
      const strip = { width, height: rows, data: rgba.subarray(0, width * rows * 4) };
      data.set(pixelsOfRgba(strip).data, y * width * 3);
    }
    if (gl.getError() !== 0)
      throw new UnsupportedError(`this browser's WebGL does not hold ${width} x ${height} pixels`);
    return { width, height, data };
  } finally {
    gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few contexts
  }
}
