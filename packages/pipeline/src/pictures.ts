import { type Preprocessing, ResidualError, type Signal, type Tensor } from "@residual/core";
import { decodeImage, type Picture, preprocess } from "@residual/vision";

export interface ReadOptions {
  readonly preprocessing: Preprocessing;
  readonly maxPixels: number | undefined;
}

/** A picture as a model sees it, [1, 3, H, W]. Throws what `decodeImage` throws. */
export async function imageOf(
  picture: Picture,
  { preprocessing, maxPixels }: ReadOptions,
  signal: Signal | undefined,
): Promise<Tensor<"float32">> {
  const { upright } = preprocessing;
  return preprocess(await decodeImage(picture, { signal, upright, maxPixels }), preprocessing);
}

/** Pictures that are decoded at a time: a large photo takes hundreds of megabytes while it is. */
const DECODED_AT_A_TIME = 4;

/** Runs at most as many pieces of work at a time, in the order in which they were given. */
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

/** Whether an error is of one picture alone, so that others may go on. */
export function isOfPicture(error: unknown): error is ResidualError {
  return error instanceof ResidualError && !["AbortError", "BackendUnavailableError"].includes(error.code);
}
