import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import type { PictureHeader } from "./picture-header.ts";
import { exifOrientation } from "./tiff.ts";

/** A WebP's header, with its first frame: the whole picture, unless it is an animation. */
export interface WebpFile extends PictureHeader {
  readonly frame: WebpFrame;
}

interface WebpFrame {
  /** Where the frame lies in the picture. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** A WebP file of this frame alone. */
  readonly file: Uint8Array;
}

/** Throws FormatError for a file that is cut, or holds no picture. Source: RFC 9649. */
export function readWebpFile(bytes: Uint8Array): WebpFile {
  const end = new ByteReader(bytes, { at: 4 }).u32() + 8;
  if (end > bytes.length) throw new FormatError(`found ${bytes.length} bytes, expected ${end}; the file is cut`);
  const file = bytes.subarray(0, end);
  let orientation = 1;
  let canvas: Size | undefined;
  let frame: WebpFrame | undefined;
  for (const { name, data } of webpChunks(file)) {
    if (name === "VP8X") canvas = sizeAt(data, 4);
    if (name === "EXIF") orientation = exifOrientation(withoutMark(data));
    if (name === "ANMF") frame ??= animationFrame(data);
    if (name === "VP8 " || name === "VP8L") frame ??= { left: 0, top: 0, ...bitstreamSize(name, data), file };
  }
  if (!frame) throw new FormatError("found a WebP without an image; get the file anew");
  const { width, height } = canvas ?? frame;
  const isInside = frame.left + frame.width <= width && frame.top + frame.height <= height;
  if (isInside) return { width, height, orientation, frame };
  const found = `a frame of ${frame.width} x ${frame.height} at ${frame.left}, ${frame.top}`;
  throw new FormatError(`found ${found}, expected one within ${width} x ${height}; get the file anew`);
}

function* webpChunks(file: Uint8Array): Generator<{ readonly name: string; readonly data: Uint8Array }> {
  const reader = new ByteReader(file, { at: 12 });
  while (reader.at + 8 <= file.length) {
    const name = reader.text(4);
    const length = reader.u32();
    yield { name, data: reader.take(length) };
    if (length % 2 === 1 && reader.at < file.length) reader.take(1);
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Both sides less 1, in 24 bits each. */
function sizeAt(data: Uint8Array, at: number): Size {
  const reader = new ByteReader(data, { at });
  return { width: u24(reader) + 1, height: u24(reader) + 1 };
}

/** Some programs begin the data as in a JPEG. */
function withoutMark(exif: Uint8Array): Uint8Array {
  return new ByteReader(exif).startsWith("Exif\0\0") ? exif.subarray(6) : exif;
}

function bitstreamSize(name: "VP8 " | "VP8L", data: Uint8Array): Size {
  const reader = new ByteReader(data);
  if (name === "VP8L") {
    reader.take(1);
    const bits = reader.u32();
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  reader.take(6);
  return { width: reader.u16() & 0x3fff, height: reader.u16() & 0x3fff };
}

const HAS_ALPHA = 0x10;

/** The chunks of a frame are those of a still picture, behind a header that says its size. */
function animationFrame(data: Uint8Array): WebpFrame {
  const reader = new ByteReader(data);
  const [left, top] = [2 * u24(reader), 2 * u24(reader)];
  const size = reader.take(6);
  const chunks = data.subarray(16);
  const file = new Uint8Array(30 + chunks.length);
  file.set(new TextEncoder().encode("RIFF....WEBPVP8X"));
  new DataView(file.buffer).setUint32(4, file.length - 8, true);
  file.set([10, 0, 0, 0, HAS_ALPHA, 0, 0, 0, ...size], 16);
  file.set(chunks, 30);
  return { left, top, ...sizeAt(size, 0), file };
}

function u24(reader: ByteReader): number {
  return reader.u16() + reader.u8() * 65536;
}
