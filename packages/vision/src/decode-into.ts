import { checkPreprocessing, type Preprocessing } from "@residual/core";
import type { DecodeOptions, DecodeWith, Picture } from "./decode.ts";
import { withKeptMemory } from "./pixel-memory.ts";
import { preprocessInto } from "./preprocess.ts";
import type { Size } from "./resample.ts";

/**
 * Decodes a picture and writes what `preprocess` gives to `image`, `[3, crop, crop]`, which may be a part of a batch or
 * an array that is used again. Gives the picture's size. The pixels of a small JPEG take no new memory, so that less is
 * left to collect. A picture is turned upright as `preprocessing` says, unless `options` say otherwise.
 *
 * Throws as `decodeImage` and `preprocessInto` do.
 */
export type DecodeInto = (
  source: Picture,
  preprocessing: Preprocessing,
  image: Float32Array,
  options?: DecodeOptions,
) => Promise<Size>;

/** `decodeInto` on a platform. */
export function intoDecoder(decode: DecodeWith): DecodeInto {
  return (source, preprocessing, image, options = {}) => {
    const { upright } = checkPreprocessing(preprocessing);
    return withKeptMemory(async (allocate) => {
      const pixels = await decode(source, { upright, ...options }, allocate);
      preprocessInto(pixels, preprocessing, image);
      return { width: pixels.width, height: pixels.height };
    });
  };
}
