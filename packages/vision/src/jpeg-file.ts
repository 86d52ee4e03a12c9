import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import type { PictureHeader } from "./picture-header.ts";
import { exifOrientation } from "./tiff.ts";

/** A segment of a JPEG. */
interface Segment {
  readonly marker: number;
  readonly data: Uint8Array;
  /** Bytes [begin, end) of the file: the data with its marker and its length. */
  readonly begin: number;
  readonly end: number;
}

/**
 * The segments of a JPEG by their markers, up to the start of its first scan (SOS), without stray bytes before them.
 * Source: ITU T.81, annex B.
 */
export function* jpegSegments(bytes: Uint8Array): Generator<Segment> {
  const reader = new ByteReader(bytes, { at: 2, littleEndian: false });
  for (let marker = 0; marker !== 0xda; ) {
    while (reader.u8() !== 0xff); // Pillow passes stray bytes over
    do marker = reader.u8();
    while (marker === 0xff);
    if (marker === 0xd9) throw new FormatError("found a JPEG without pixels");
    if (isWithoutSegment(marker)) continue;
    const begin = reader.at - 2;
    const data = reader.take(reader.u16() - 2);
    yield { marker, data, begin, end: reader.at };
  }
}

/** The segment of the frame, the last where there are several. Throws FormatError where there is none. */
export function frameSegment(bytes: Uint8Array): Segment {
  let frame: Segment | undefined;
  for (const segment of jpegSegments(bytes)) if (isFrame(segment.marker)) frame = segment;
  if (!frame) throw new FormatError("found a JPEG without a frame");
  return frame;
}

/** Pixels by the header alone; undefined for a file without a frame. Source: ITU T.81, B.2.2. */
export function jpegSize(bytes: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  try {
    const frame = new ByteReader(frameSegment(bytes).data, { at: 1, littleEndian: false });
    return { height: frame.u16(), width: frame.u16() };
  } catch {
    return undefined;
  }
}

/** Where a JPEG's image lies. */
export interface CodedImage {
  /** Where the first scan's coded pixels begin. */
  readonly pixels: number;
  readonly scans: number;
  /** Where the image ends. */
  readonly end: number;
}

interface JpegHeader extends PictureHeader {
  readonly coded: CodedImage;
}

/** Throws FormatError for a file without a frame, and for one that is cut. Source: EXIF 2.3, 4.7.2. */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  let [pixels, orientation] = [0, 1];
  for (const { marker, data, end } of jpegSegments(bytes)) {
    const isExif = marker === 0xe1 && new ByteReader(data).startsWith("Exif\0\0");
    if (isExif) orientation = exifOrientation(data.subarray(6));
    pixels = end;
  }
  const coded = { pixels, ...scansOf(bytes, pixels) };
  const frame = new ByteReader(frameSegment(bytes).data, { at: 1, littleEndian: false });
  return { height: frame.u16(), width: frame.u16(), orientation, coded };
}

/**
 * How many scans there are, and where the image ends. `pixels` is where the first scan's coded pixels begin. Phones
 * write a film or other pictures behind the image. Throws FormatError for a file that is cut.
 */
function scansOf(bytes: Uint8Array, pixels: number): Omit<CodedImage, "pixels"> {
  let scans = 1;
  for (let at = bytes.indexOf(0xff, pixels); at >= 0; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[++at]!;
    if (marker === 0xd9) return { scans, end: at + 1 };
    if (marker === 0xff || isWithoutSegment(marker)) continue;
    if (marker === 0xda) scans++;
    at += 1 + new ByteReader(bytes, { at: at + 1, littleEndian: false }).u16(); // coded pixels hold no such marker
  }
  throw new FormatError("found a JPEG without its end; the file is cut");
}

/** TEM, RST0 to RST7, and a zero byte, which is not a marker. Decoders skip them between segments. */
function isWithoutSegment(marker: number): boolean {
  return marker <= 1 || (marker >= 0xd0 && marker <= 0xd7);
}

/** SOF0 to SOF15: 0xC0 to 0xCF without DHT (0xC4), JPG (0xC8) and DAC (0xCC). */
function isFrame(marker: number): boolean {
  return marker >> 4 === 0xc && (marker === 0xc0 || marker % 4 !== 0);
}
