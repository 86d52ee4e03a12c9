import { ByteReader } from "./byte-reader.ts";
import { frameSegment, jpegSegments, scansOf } from "./jpeg-file.ts";

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
   * A copy of the file without stray bytes between its headers, of which libjpeg warns though they do no harm, and
   * without what lies behind the image.
   */
  readonly file: Uint8Array;
}

/** Throws FormatError for a file without a frame. Source: ITU T.81, B.2.2. */
export function jpegFrame(bytes: Uint8Array): JpegFrame {
  const { marker, data } = frameSegment(bytes);
  const reader = new ByteReader(data, { littleEndian: false });
  const precision = reader.u8();
  reader.take(4); // height and width
  const sampling = Array.from({ length: reader.u8() }, () => {
    const factors = reader.take(3)[1]!;
    return `${factors >> 4}x${factors & 15}`;
  });
  return { process: marker - 0xc0, precision, sampling, ...withoutStray(bytes) };
}

/** Segments are moved together in one copy of the file, since a file may have millions. */
function withoutStray(bytes: Uint8Array): Pick<JpegFrame, "scans" | "file"> {
  const file = bytes.slice();
  let [length, pixels] = [2, 2];
  for (const { begin, end } of jpegSegments(bytes)) {
    file.copyWithin(length, begin, end);
    length += end - begin;
    pixels = end;
  }
  const { scans, end } = scansOf(bytes, pixels);
  file.copyWithin(length, pixels, end);
  return { scans, file: file.subarray(0, length + end - pixels) };
}
