import { FormatError, OutOfMemoryError } from "@residual/core";
import type { WebpCodec } from "../codecs/libwebp.js";
import { compileCodec } from "./codec.ts";
import { turned } from "./orientation.ts";
import { type Pixels, pixelsOfRgba } from "./pixels.ts";
import type { PortableOptions } from "./portable.ts";
import { checkSize } from "./size-limit.ts";
import { readWebpFile, type WebpFile } from "./webp-file.ts";

let compiled: (() => Promise<WebpCodec>) | undefined;

/**
 * Decodes a WebP, or the first frame of an animation, by libwebp in WebAssembly. Each picture gets a codec with memory
 * that no other picture has, so that a malicious file that damages the memory of libwebp 1.1 harms that picture alone.
 *
 * Throws FormatError for a damaged file, OutOfMemoryError for a picture that does not fit into the codec's memory, and
 * BackendUnavailableError where WebAssembly does not load.
 */
export async function decodeWebp(bytes: Uint8Array, options: PortableOptions): Promise<Pixels> {
  const file = readWebpFile(bytes);
  checkSize(file.width, file.height, options.maxPixels);
  checkMemory(file, options.platform.otherwise);
  compiled ??= await compileCodec("WebP", () => import("../codecs/libwebp.js"), options.platform.codecAdvice);
  const codec = await compiled();
  const { width, height } = file.frame;
  const image = codec.decode(file.frame.file);
  if (!image) throw new FormatError("found a damaged or cut WebP; get the file anew");
  if (image.width !== width || image.height !== height) {
    const found = `${image.width} x ${image.height} pixels`;
    throw new FormatError(`found ${found}, expected ${width} x ${height} by the header; get the file anew`);
  }
  const pixels = inPlace(pixelsOfRgba(image), file);
  return options.upright ? turned(pixels, file.orientation) : pixels;
}

/** Bytes that a picture may take: the codec's memory grows to 2 GiB, of which its own data take less than 64 MiB. */
const MOST_MEMORY = 2 ** 31 - 2 ** 26;

/** A pixel takes 4 bytes as RGBA, and 4 more while a lossless picture is decoded. The file is there twice. */
function checkMemory({ frame: { width, height, file } }: WebpFile, otherwise: string): void {
  const needed = width * height * 8 + file.length * 2;
  if (needed <= MOST_MEMORY) return;
  const found = `${width} x ${height} pixels, which need ${needed} bytes`;
  throw new OutOfMemoryError(`found ${found}, expected at most ${MOST_MEMORY}; shrink it, or ${otherwise}`);
}

/** The picture of an animation: its first frame on black. */
function inPlace(frame: Pixels, { width, height, frame: { left, top } }: WebpFile): Pixels {
  if (frame.width === width && frame.height === height) return frame;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < frame.height; y++) {
    const row = frame.data.subarray(y * frame.width * 3, (y + 1) * frame.width * 3);
    data.set(row, ((top + y) * width + left) * 3);
  }
  return { width, height, data };
}
