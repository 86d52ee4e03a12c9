import { FormatError, OutOfMemoryError } from "@residual/core";
import { readJpegHeader } from "./jpeg-file.ts";
import { type JpegFrame, jpegFrame } from "./jpeg-frame.ts";
import { keepCodec, takeCodec } from "./libjpeg-turbo.ts";
import { turned } from "./orientation.ts";
import type { Pixels } from "./pixels.ts";
import type { PortableOptions, PortablePlatform } from "./portable.ts";
import { checkSize } from "./size-limit.ts";

/**
 * Decodes a JPEG by libjpeg-turbo in WebAssembly, which has the integer IDCT and the upsampling of sharp and Pillow.
 *
 * Throws FormatError for a damaged file, and for any other that libjpeg-turbo warns of: its interface does not say what
 * a warning was. So a whole file with stray bytes behind its pixels is refused, though sharp takes it. Throws
 * BackendUnavailableError for CMYK and rare codings, which sharp alone decodes, and OutOfMemoryError for a picture
 * that does not fit into the codec's memory.
 */
export async function decodeJpeg(bytes: Uint8Array, options: PortableOptions): Promise<Pixels> {
  const { width, height, orientation } = readJpegHeader(bytes);
  checkSize(width, height, options.maxPixels);
  const frame = jpegFrame(bytes);
  checkCoding(frame, options.platform);
  checkMemory(width, height, frame, options.platform);
  const pixels = await decodeWhole(frame.file, options.platform);
  if (pixels.width !== width || pixels.height !== height) {
    const found = `${pixels.width} x ${pixels.height} pixels`;
    throw new FormatError(`found ${found}, expected ${width} x ${height} by the header; get the file anew`);
  }
  return options.upright ? turned(pixels, orientation) : pixels;
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
  if (sampling.length === 4) refuse("of four inks (CMYK)");
  if (!PROCESSES.includes(process) || precision !== 8) refuse(`of ${precision} bits, coded as SOF${process}`);
  if (sampling.length !== 1 && !SAMPLINGS.includes(sampling.join(" "))) refuse(`sampled ${sampling.join(", ")}`);
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

async function decodeWhole(file: Uint8Array, { otherwise, codecAdvice }: PortablePlatform): Promise<Pixels> {
  const codec = await takeCodec(codecAdvice);
  const decoder = new codec.JPEGDecoder();
  decoder.getEncodedBuffer(file.length).set(file);
  try {
    decoder.decode();
  } catch (cause) {
    const found = "found a damaged or cut JPEG, or one with stray bytes behind its pixels";
    throw new FormatError(`${found}; get the file anew, or ${otherwise}`, { cause });
  }
  const { width, height, componentCount } = decoder.getFrameInfo();
  const samples = new Uint8Array(decoder.getDecodedBuffer().buffer);
  decoder.delete();
  keepCodec(codec);
  return { width, height, data: componentCount === 1 ? repeated(samples) : samples };
}

/** Grey as RGB. */
function repeated(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0, to = 0; i < grey.length; i++, to += 3) rgb.fill(grey[i]!, to, to + 3);
  return rgb;
}
