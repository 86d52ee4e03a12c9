import type { JpegCodec } from "../codecs/libjpeg-turbo.js";
import { compileCodec } from "./codec.ts";

export type { JpegCodec };

let compiled: (() => Promise<JpegCodec>) | undefined;
/** The codec that waits for the next picture. */
let resting: JpegCodec | undefined;
/** Bytes of memory that a new codec has. */
let initialMemory = 0;

/**
 * The codec that waits, or a new one. No other caller gets it until it is kept again. Throws BackendUnavailableError
 * where the codec does not load.
 */
export async function takeCodec(advice: string): Promise<JpegCodec> {
  const taken = resting;
  resting = undefined;
  if (taken) return taken;
  compiled ??= await compileCodec("JPEG", () => import("../codecs/libjpeg-turbo.js"), advice);
  const codec = await compiled();
  initialMemory = codec.HEAPU8.length;
  return codec;
}

/**
 * Keeps a codec for the next picture unless its memory has grown, since WebAssembly's memory never shrinks. A codec
 * that failed is not to be kept.
 */
export function keepCodec(codec: JpegCodec): void {
  if (codec.HEAPU8.length === initialMemory) resting = codec;
}
