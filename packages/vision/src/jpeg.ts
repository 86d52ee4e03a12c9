import { FormatError, OutOfMemoryError } from "@residual/core";
import { readJpegHeader } from "./jpeg-file.ts";
import { type JpegFrame, jpegFrame } from "./jpeg-frame.ts";
import { blackCopy, decodeInks } from "./jpeg-inks.ts";
import { decodeTidied, decodeWhole } from "./jpeg-pixels.ts";
import { turned } from "./orientation.ts";
import type { Pixels } from "./pixels.ts";
import type { PortableOptions, PortablePlatform } from "./portable.ts";
import { checkSize } from "./size-limit.ts";

/**
 * Decodes a JPEG by libjpeg-turbo in WebAssembly, which has the integer IDCT and the upsampling of sharp and Pillow.
 *
 * Throws FormatError for a damaged file, the platform's refusal for rare codings, OutOfMemoryError for a picture that
 * does not fit into the codec's memory, and BackendUnavailableError where WebAssembly does not load.
 */
export async function decodeJpeg(bytes: Uint8Array, options: PortableOptions): Promise<Pixels> {
  const { width, height, orientation, coded } = readJpegHeader(bytes);
  checkSize(width, height, options.maxPixels);
  const frame = jpegFrame(bytes, coded);
  checkCoding(frame, options.platform);
  checkMemory(width, height, frame, options.platform);
  const pixels = await decodeFrame(frame, options);
  if (pixels.width !== width || pixels.height !== height) {
    const found = `${pixels.width} x ${pixels.height} pixels`;
    throw new FormatError(`found ${found}, expected ${width} x ${height} by the header; get the file anew`);
  }
  return options.upright ? turned(pixels, orientation) : pixels;
}

async function decodeFrame(frame: JpegFrame, { platform, allocate }: PortableOptions): Promise<Pixels> {
  const { codecAdvice, refusal } = platform;
  const { file, process, sampling } = frame;
  if (sampling.length < 4 && process <= 2) return decodeTidied(file, sampling.length, { codecAdvice, allocate });
  if (sampling.length < 4) return decodeWhole(file, { codecAdvice, allocate });
  const pixels = await decodeInks(file, blackCopy(sampling)!, codecAdvice);
  if (pixels) return pixels;
  throw refusal("a JPEG whose scans mix its inks");
}

/** SOF numbers, with Huffman and with arithmetic coding. */
const SEQUENTIAL = [0, 1, 9];
const PROGRESSIVE = [2, 10];
const PROCESSES = [...SEQUENTIAL, ...PROGRESSIVE];

/**
 * Sampling factors of three components that TurboJPEG's interface takes: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1 and 4:4:1,
 * some of them in several notations. Source: libjpeg-turbo, src/turbojpeg.c, getSubsamp.
 */
const SAMPLINGS = [
  ...["1x1", "2x1", "2x2", "1x2", "4x1", "1x4"].map((luma) => `${luma} 1x1 1x1`),
  ...["1x2", "2x1"].map((chroma) => `2x2 ${chroma} ${chroma}`),
  ...["2x1", "1x2", "3x1", "1x3"].map((all) => `${all} ${all} ${all}`),
];

/**
 * The most scans. Each is a pass over the picture, however few bytes it has. Source: libjpeg-turbo, turbojpeg.h,
 * TJFLAG_LIMITSCANS.
 */
const MAX_SCANS = 500;

function checkCoding({ process, precision, sampling, scans }: JpegFrame, { refusal }: PortablePlatform): void {
  const refuse = (found: string) => {
    throw refusal(`a JPEG ${found}`);
  };
  if (scans > MAX_SCANS)
    throw new FormatError(`found a JPEG of ${scans} scans, expected at most ${MAX_SCANS}; save it anew`);
  if (!PROCESSES.includes(process) || precision !== 8) refuse(`of ${precision} bits, coded as SOF${process}`);
  if (sampling.length === 4 && process > 2) refuse("of four inks (CMYK) in arithmetic codes");
  if (!samplingsToDecode(sampling).every((each) => SAMPLINGS.includes(each))) refuse(`sampled ${sampling.join(", ")}`);
}

/** The samplings of three components that the codec is to decode. */
function samplingsToDecode(sampling: readonly string[]): readonly string[] {
  if (sampling.length === 1) return [];
  const three = sampling.slice(0, 3).join(" ");
  return sampling.length === 4 ? [three, blackCopy(sampling)?.sampling ?? "none"] : [sampling.join(" ")];
}

/** Bytes that a picture may take: the codec's memory grows to 2 GiB, of which its own data take less than 64 MiB. */
const MOST_MEMORY = 2 ** 31 - 2 ** 26;

/** A pixel takes 3 bytes, and 3 coefficients of 16 bits where scans add to one another. */
function checkMemory(width: number, height: number, frame: JpegFrame, { otherwise }: PortablePlatform): void {
  const { process, scans, file } = frame;
  const isInScans = scans > 1 || PROGRESSIVE.includes(process);
  const needed = width * height * (isInScans ? 9 : 3) + file.length;
  if (needed <= MOST_MEMORY) return;
  throw new OutOfMemoryError(
    `found ${width} x ${height} pixels, which need ${needed} bytes, expected at most ${MOST_MEMORY}; ` +
      `shrink it, or ${otherwise}`,
  );
}
