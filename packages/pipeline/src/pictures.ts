import {
  checkPreprocessing,
  type Preprocessing,
  ResidualError,
  type Signal,
  type Tensor,
  tensorOf,
} from "@residual/core";
import { decodeImage, decodeInto, type Picture, type Pixels, preprocess } from "@residual/vision";

export interface ReadOptions {
  readonly preprocessing: Preprocessing;
  readonly maxPixels: number | undefined;
}

/** A picture's pixels, and the model's input, [1, 3, H, W]. Throws errors of `decodeImage`. */
export async function readPicture(
  picture: Picture,
  { preprocessing, maxPixels }: ReadOptions,
  signal: Signal | undefined,
): Promise<{ readonly pixels: Pixels; readonly image: Tensor<"float32"> }> {
  const { upright } = preprocessing;
  const pixels = await decodeImage(picture, { signal, upright, maxPixels });
  return { pixels, image: preprocess(pixels, preprocessing) };
}

/** A picture as the model's input, [1, 3, H, W]. Throws errors of `decodeImage`. */
export async function imageOf(
  picture: Picture,
  { preprocessing, maxPixels }: ReadOptions,
  signal: Signal | undefined,
): Promise<Tensor<"float32">> {
  const side = checkPreprocessing(preprocessing).crop;
  const image = tensorOf("float32", [1, 3, side, side], new Float32Array(3 * side * side));
  await decodeInto(picture, preprocessing, image.data, { signal, maxPixels });
  return image;
}

/** Pictures decoded at a time: decoding a large photo takes hundreds of megabytes. */
const DECODED_AT_A_TIME = 4;

/** Runs at most this number of tasks at a time, in the given order. */
export function atATime(limit: number = DECODED_AT_A_TIME): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

/** Whether an error concerns one picture only, so that others can continue. */
export function isOfPicture(error: unknown): error is ResidualError {
  return error instanceof ResidualError && !["AbortError", "BackendUnavailableError"].includes(error.code);
}
