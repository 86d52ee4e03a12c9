import { ByteReader } from "./byte-reader.ts";
import { type CodedImage, frameSegment, jpegSegments } from "./jpeg-file.ts";

/** How a JPEG's pixels are coded, by its headers. */
export interface JpegFrame {
  /** 0 to 15: SOF0 is baseline, SOF2 progressive. Source: ITU T.81, table B.1. */
  readonly process: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** Sampling factors of each component, horizontal x vertical: `2x2`, `1x1`, `1x1` for 4:2:0. */
  readonly sampling: readonly string[];
  readonly scans: number;
  /**
   * The file without stray bytes between its headers, of which libjpeg warns though they do no harm, and without what
   * lies behind the image: a part of it, or a copy.
   */
  readonly file: Uint8Array;
}

/** `coded` is of `readJpegHeader`. Throws FormatError as that does. Source: ITU T.81, B.2.2. */
export function jpegFrame(bytes: Uint8Array, coded: CodedImage): JpegFrame {
  const { marker, data } = frameSegment(bytes);
  const reader = new ByteReader(data, { littleEndian: false });
  const precision = reader.u8();
  reader.take(4); // height and width
  const sampling = Array.from({ length: reader.u8() }, () => {
    const factors = reader.take(3)[1]!;
    return `${factors >> 4}x${factors & 15}`;
  });
  return { process: marker - 0xc0, precision, sampling, scans: coded.scans, file: withoutStray(bytes, coded) };
}

function withoutStray(bytes: Uint8Array, { pixels, end }: CodedImage): Uint8Array {
  let length = 2;
  for (const segment of jpegSegments(bytes)) length += segment.end - segment.begin;
  return length === pixels ? bytes.subarray(0, end) : movedTogether(bytes, pixels, end);
}

/** Segments are moved together in one copy of the file, since a file may have millions. */
function movedTogether(bytes: Uint8Array, pixels: number, end: number): Uint8Array {
  const file = bytes.slice(0, end);
  let length = 2;
  for (const segment of jpegSegments(bytes)) {
    file.copyWithin(length, segment.begin, segment.end);
    length += segment.end - segment.begin;
  }
  file.copyWithin(length, pixels, end);
  return file.subarray(0, length + end - pixels);
}
