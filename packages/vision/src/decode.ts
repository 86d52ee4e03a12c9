import {
  BackendUnavailableError,
  FormatError,
  OutOfMemoryError,
  ResidualError,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { type ByteSource, nameOf, type ReadOptions, shown } from "@residual/kit/bytes";
import { type CanvasLike, givenPixels } from "./given-pixels.ts";
import { type ImageFormat, imageFormatOf } from "./image-format.ts";
import { loadDecoder, once } from "./load-decoder.ts";
import { type Allocate, newMemory } from "./pixel-memory.ts";
import type { Pixels, RgbaImage } from "./pixels.ts";
import { MAX_PIXELS } from "./size-limit.ts";

export interface DecodeOptions extends WorkOptions {
  /**
   * Whether to turn the image as its EXIF data says. torchvision's loader does not. A TIFF is always turned, as in
   * Pillow.
   */
  readonly upright?: boolean | undefined;
  /** The most pixels, width × height, that a header may declare. Default 178,956,970, Pillow's limit */
  readonly maxPixels?: number | undefined;
}

/** A source that a page can draw: an image or video element, a VideoFrame, an ImageBitmap. Only in browsers. */
export type DrawableLike =
  | { readonly currentSrc: string; readonly src: string }
  | { readonly videoWidth: number; readonly videoHeight: number }
  | { readonly displayWidth: number; readonly displayHeight: number }
  | { readonly width: number; readonly height: number; close(): void };

/**
 * An image file, from anything that bytes are read from; or pixels that something holds: RGB, RGBA, ImageData, a
 * canvas; in browsers also what a page can draw.
 */
export type Picture = ByteSource | Pixels | RgbaImage | CanvasLike | DrawableLike;

/** The options of the platform's own decoder. */
export interface FileOptions {
  readonly upright: boolean;
  readonly maxPixels: number;
  /** Memory for pixels, where a decoder takes it. */
  readonly allocate: Allocate;
}

export interface ImagePlatform {
  readonly readBytes: (source: ByteSource, options: ReadOptions) => Promise<Uint8Array>;
  /** Decodes a file of a format that is not decoded here. Errors that are not ours mean a damaged file. */
  readonly decodeFile: (bytes: Uint8Array, format: ImageFormat, options: FileOptions) => Promise<Pixels>;
}

/** No camera's file comes near it; without a limit a mistaken path could fill the memory. In bytes. */
const MAX_BYTES = 1024 ** 3;

type Decode = (bytes: Uint8Array, maxPixels: number) => Pixels;

/** The formats that are decoded here, on every platform alike. Each is imported when there is such a file. */
export const own: { readonly [format in ImageFormat]?: () => Promise<Decode> } = {
  GIF: once(async () => (await import("./gif.ts")).decodeGif),
  BMP: once(async () => (await import("./bmp.ts")).decodeBmp),
  PNM: once(async () => (await import("./pnm.ts")).decodePnm),
};

/** `decodeImage`, with memory that pixels may take. */
export type DecodeWith = (source: Picture, options?: DecodeOptions, allocate?: Allocate) => Promise<Pixels>;

/** `decodeImage` on a platform. */
export function imageDecoder({ readBytes, decodeFile }: ImagePlatform): DecodeWith {
  return async (source, options = {}, allocate = newMemory) => {
    const { signal, onProgress, upright = false, maxPixels = MAX_PIXELS } = options;
    throwIfAborted(signal);
    const name = nameOf(source, "image");
    const given = givenPixels(source, name);
    if (given) return given;
    const reading = { name: "image", expected: "an image file", maxBytes: MAX_BYTES, stage: "read image" };
    const bytes = await readBytes(source as ByteSource, { ...reading, signal, onProgress });
    const pixels = await orOurError(name, async () => {
      const format = imageFormatOf(bytes);
      const load = own[format];
      if (!load) return decodeFile(bytes, format, { upright, maxPixels, allocate });
      return (await loadDecoder(format, load))(bytes, maxPixels);
    });
    throwIfAborted(signal);
    return pixels;
  };
}

const named = [FormatError, UnsupportedError, OutOfMemoryError, BackendUnavailableError];

/**
 * Errors with the image's name. Those of a decoder, which are not ours, mean a damaged file, in the decoder's words.
 */
async function orOurError<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const found = shown(
      (cause instanceof Error ? cause.message : String(cause)).trim().replaceAll(/\s*\n\s*/g, "; "),
      600,
    );
    const ours = named.find((kind) => cause instanceof kind);
    if (ours) throw new ours(`${name}: ${found}`, { cause });
    if (cause instanceof ResidualError) throw cause;
    if (cause instanceof RangeError)
      throw new OutOfMemoryError(`${name}: no memory for its pixels (${found})`, { cause });
    throw new FormatError(`${name}: found a damaged or cut image (${found}), expected a whole one; get the file anew`, {
      cause,
    });
  }
}
