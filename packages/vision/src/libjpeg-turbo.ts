import { BackendUnavailableError } from "@residual/core";
import { shown } from "@residual/kit/bytes";

/** The part of libjpeg-turbo's WebAssembly build that Residual uses; the package has no types. */
export interface JpegCodec {
  readonly JPEGDecoder: new () => JpegDecoder;
  /** All of the codec's memory. */
  readonly HEAPU8: Uint8Array;
}

interface JpegDecoder {
  /** Room for the file, in the codec's memory. */
  getEncodedBuffer(length: number): Uint8Array;
  /** Throws a number for a file that libjpeg-turbo refuses or warns of. */
  decode(): void;
  getFrameInfo(): { readonly width: number; readonly height: number; readonly componentCount: number };
  /** A copy of the pixels: RGB, or grey where there is one component. */
  getDecodedBuffer(): Uint8ClampedArray<ArrayBuffer>;
  delete(): void;
}

/** Imported by a variable, so that bundlers leave the package out: it reads its .wasm file from its own folder. */
const NAME = "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs";

/** The codec that waits for the next picture. */
let resting: JpegCodec | undefined;
/** Bytes of memory that a new codec has. */
let initialMemory = 0;

/**
 * The codec that waits, or a new one. No other caller gets it until it is kept again. Throws BackendUnavailableError
 * where the codec does not load.
 */
export async function takeCodec(whyNoSharp: string): Promise<JpegCodec> {
  const taken = resting;
  resting = undefined;
  if (taken) return taken;
  try {
    const codec = await createCodec();
    initialMemory = codec.HEAPU8.length;
    return codec;
  } catch (cause) {
    const why = shown(String(cause).replaceAll(/\s+/g, " "), 300);
    throw new BackendUnavailableError(`${NAME}, which decodes JPEG, does not load (${why}); ${whyNoSharp}`, { cause });
  }
}

async function createCodec(): Promise<JpegCodec> {
  const { default: create } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ NAME)) as {
    readonly default: () => Promise<JpegCodec>;
  };
  return create();
}

/**
 * Keeps a codec for the next picture unless its memory has grown, since WebAssembly's memory never shrinks. A codec
 * that failed is not to be kept.
 */
export function keepCodec(codec: JpegCodec): void {
  if (codec.HEAPU8.length === initialMemory) resting = codec;
}
