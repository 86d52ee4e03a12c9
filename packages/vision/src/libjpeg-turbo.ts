import { BackendUnavailableError } from "@residual/core";
import { shown } from "@residual/kit/bytes";

/** The part of libjpeg-turbo's WebAssembly build that is used here; the package has no types of its own. */
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

/** A variable, since the package reads its module from its own folder, and must not be bundled. */
const NAME = "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs";

/** A codec at rest, as small as it was made. */
let resting: JpegCodec | undefined;
let smallest = Number.POSITIVE_INFINITY;

/**
 * The codec that was kept, or a new one; the caller's alone until it is kept again. Throws BackendUnavailableError
 * where it does not load.
 */
export async function takeCodec(whyNoSharp: string): Promise<JpegCodec> {
  const taken = resting;
  resting = undefined;
  if (taken) return taken;
  try {
    const codec = await createCodec();
    smallest = Math.min(smallest, codec.HEAPU8.length);
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

/** For a codec that is whole and has grown no memory, which would never shrink: any other is let go. */
export function keepCodec(codec: JpegCodec): void {
  if (codec.HEAPU8.length <= smallest) resting = codec;
}
