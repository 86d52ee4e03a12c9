import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import type { ImageFormat } from "./image-format.ts";
import { exifOrientation } from "./tiff.ts";

/** The facts in a file's header. */
export interface ImageFile {
  readonly width: number;
  readonly height: number;
  readonly hasAlpha: boolean;
  /** How the picture stands, as EXIF counts: 1 where nothing is said. */
  readonly orientation: number;
  /** The file without its EXIF data, which browsers interpret differently. */
  readonly parts: readonly Uint8Array[];
}

/**
 * Reads a JPEG, PNG or WebP file from end to end, but not its pixels, since browsers take files that are cut. Throws
 * FormatError for one that is cut, and for a PNG with a wrong checksum.
 */
export function readImageFile(bytes: Uint8Array, format: ImageFormat): ImageFile {
  const read = { JPEG: readJpeg, PNG: readPng, WebP: readWebp }[format as "JPEG" | "PNG" | "WebP"];
  return read(bytes);
}

/** A segment of a JPEG, named by its marker, or a chunk of a PNG, named by its type. */
interface FilePart<Name> {
  readonly name: Name;
  readonly data: Uint8Array;
  /** Bytes [begin, end) of the file: the data with its name, its length and, in a PNG, its checksum. */
  readonly begin: number;
  readonly end: number;
}

/**
 * The segments of a JPEG by their markers, up to the start of its first scan (SOS), without stray bytes before them.
 * Source: ITU T.81, annex B.
 */
export function* jpegSegments(bytes: Uint8Array): Generator<FilePart<number>> {
  const reader = bigEndian(bytes, 2);
  for (let marker = 0; marker !== 0xda; ) {
    while (reader.u8() !== 0xff); // Pillow passes stray bytes over
    do marker = reader.u8();
    while (marker === 0xff);
    if (marker === 0xd9) throw new FormatError("found a JPEG without pixels");
    if (isWithoutSegment(marker)) continue;
    const begin = reader.at - 2;
    const data = reader.take(reader.u16() - 2);
    yield { name: marker, data, begin, end: reader.at };
  }
}

/** The segment of the frame, the last where there are several. Throws FormatError where there is none. */
export function frameSegment(bytes: Uint8Array): FilePart<number> {
  let frame: FilePart<number> | undefined;
  for (const segment of jpegSegments(bytes)) if (isFrame(segment.name)) frame = segment;
  if (!frame) throw new FormatError("found a JPEG without a frame");
  return frame;
}

/** Source: EXIF 2.3, 4.7.2. */
function readJpeg(bytes: Uint8Array): ImageFile {
  const parts: Uint8Array[] = [];
  let [from, pixels, orientation] = [0, 0, 1];
  for (const { name: marker, data, begin, end } of jpegSegments(bytes)) {
    if (marker === 0xe1 && textAt(data, 0, 6) === "Exif\0\0") {
      orientation = exifOrientation(data.subarray(6));
      parts.push(bytes.subarray(from, begin));
      from = end;
    }
    pixels = end;
  }
  const frame = bigEndian(frameSegment(bytes).data, 1);
  let end = bytes.length - 2; // bytes after the end of the image do no harm
  while (end >= pixels && !(bytes[end] === 0xff && bytes[end + 1] === 0xd9)) end--;
  if (end < pixels) throw new FormatError("found a JPEG without its end; the file is cut");
  parts.push(bytes.subarray(from));
  return { height: frame.u16(), width: frame.u16(), hasAlpha: false, orientation, parts };
}

/** TEM, RST0 to RST7, and a zero byte, which is not a marker. Decoders skip them between segments. */
function isWithoutSegment(marker: number): boolean {
  return marker <= 1 || (marker >= 0xd0 && marker <= 0xd7);
}

/** SOF0 to SOF15: 0xC0 to 0xCF without DHT (0xC4), JPG (0xC8) and DAC (0xCC). */
function isFrame(marker: number): boolean {
  return marker >> 4 === 0xc && (marker === 0xc0 || marker % 4 !== 0);
}

/**
 * The chunks of a PNG, up to IEND. Throws FormatError for a wrong checksum of a chunk. Source: the PNG specification,
 * section 5.
 */
export function* pngChunks(bytes: Uint8Array): Generator<FilePart<string>, undefined> {
  const reader = bigEndian(bytes, 8);
  for (let kind = ""; kind !== "IEND"; ) {
    const begin = reader.at;
    const length = reader.u32();
    const chunk = reader.take(4 + length);
    kind = textAt(chunk, 0, 4);
    if (reader.u32() !== crc32(chunk)) throw new FormatError(`found a wrong checksum of the chunk ${kind}`);
    yield { name: kind, data: chunk.subarray(4), begin, end: reader.at };
  }
  return undefined;
}

/** Source: the PNG specification, 11. */
function readPng(bytes: Uint8Array): ImageFile {
  const parts: Uint8Array[] = [];
  let [from, orientation, width, height, hasAlpha] = [0, 1, 0, 0, false];
  for (const { name: kind, data, begin, end } of pngChunks(bytes)) {
    if (kind === "IHDR") {
      const header = bigEndian(data, 0);
      [width, height] = [header.u32(), header.u32()];
      hasAlpha = data[9]! > 3; // colour types 4 and 6
    }
    if (kind === "tRNS") hasAlpha = true;
    if (kind === "eXIf") {
      orientation = exifOrientation(data);
      parts.push(bytes.subarray(from, begin));
      from = end;
    }
  }
  parts.push(bytes.subarray(from));
  return { width, height, hasAlpha, orientation, parts };
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** Source: the PNG specification, annex D. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Source: RFC 9649. */
function readWebp(bytes: Uint8Array): ImageFile {
  const reader = new ByteReader(bytes, { at: 4 });
  const end = reader.u32() + 8;
  if (end > bytes.length) throw new FormatError(`found ${bytes.length} bytes, expected ${end}; the file is cut`);
  reader.take(4);
  const parts: Uint8Array[] = [];
  let [begin, orientation, hasAlpha] = [0, 1, false];
  let size: { readonly width: number; readonly height: number } | undefined;
  while (reader.at + 8 <= end) {
    const at = reader.at;
    const kind = textAt(bytes, at, 4);
    reader.take(4);
    const length = reader.u32();
    const chunk = reader.take(length);
    if (length % 2 === 1 && reader.at < end) reader.take(1);
    if (kind === "EXIF") {
      orientation = exifOrientation(textAt(chunk, 0, 6) === "Exif\0\0" ? chunk.subarray(6) : chunk);
      parts.push(bytes.subarray(begin, at), new TextEncoder().encode("NONE")); // a chunk that no decoder knows
      begin = at + 4;
    }
    if (kind === "ALPH") hasAlpha = true;
    size ??= webpSize(kind, chunk);
    if (kind === "VP8X") hasAlpha ||= (chunk[0]! & 0x10) !== 0;
    if (kind === "VP8L") hasAlpha ||= (chunk[4]! & 0x10) !== 0;
  }
  if (!size) throw new FormatError("found a WebP without an image");
  parts.push(bytes.subarray(begin));
  return { ...size, hasAlpha, orientation, parts };
}

function webpSize(kind: string, chunk: Uint8Array): { width: number; height: number } | undefined {
  const reader = new ByteReader(chunk);
  if (kind === "VP8X") {
    reader.take(4);
    return { width: u24(reader) + 1, height: u24(reader) + 1 };
  }
  if (kind === "VP8L") {
    reader.take(1);
    const bits = reader.u32();
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (kind !== "VP8 ") return undefined;
  reader.take(6);
  return { width: reader.u16() & 0x3fff, height: reader.u16() & 0x3fff };
}

function u24(reader: ByteReader): number {
  return reader.u16() + reader.u8() * 65536;
}

function bigEndian(bytes: Uint8Array, at: number): ByteReader {
  return new ByteReader(bytes, { at, littleEndian: false });
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
