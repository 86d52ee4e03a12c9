import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";
import { isFrame, jpegSegments } from "./image-file.ts";

/** What a JPEG's headers say of how its pixels are coded. */
export interface JpegFrame {
  /** 0 to 15: SOF0 is baseline, SOF2 progressive. Source: ITU T.81, table B.1. */
  readonly process: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** Sampling factors of each component, horizontal x vertical: `2x2`, `1x1`, `1x1` for 4:2:0. */
  readonly sampling: readonly string[];
  readonly scans: number;
  /** The file without stray bytes between its headers, of which libjpeg warns though they do no harm. */
  readonly file: Uint8Array;
}

/** Source: ITU T.81, B.2.2. */
export function jpegFrame(bytes: Uint8Array): JpegFrame {
  const parts = [bytes.subarray(0, 2)];
  let [pixels, frame] = [2, undefined as Omit<JpegFrame, "scans" | "file"> | undefined];
  for (const [marker, data, begin, end] of jpegSegments(bytes)) {
    if (isFrame(marker)) frame = { process: marker - 0xc0, ...coding(data) };
    parts.push(bytes.subarray(begin, end));
    pixels = end;
  }
  if (!frame) throw new FormatError("found a JPEG without a frame");
  parts.push(bytes.subarray(pixels));
  return { ...frame, scans: 1 + startsOfScans(bytes, pixels), file: Buffer.concat(parts) };
}

function coding(frame: Uint8Array): { readonly precision: number; readonly sampling: readonly string[] } {
  const reader = new ByteReader(frame, { littleEndian: false });
  const precision = reader.u8();
  reader.take(4); // height and width
  const sampling = Array.from({ length: reader.u8() }, () => {
    const factors = reader.take(3)[1]!;
    return `${factors >> 4}x${factors & 15}`;
  });
  return { precision, sampling };
}

/** Coded pixels hold no marker, so each SOS begins a scan. */
function startsOfScans(bytes: Uint8Array, from: number): number {
  let count = 0;
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === 0xda) count++;
  }
  return count;
}
