import { Readable } from "node:stream";
import { ResidualError, sizeOf } from "@residual/core";
import { decodeInto } from "@residual/vision";
import type { Item } from "../job.ts";
import type { Manifest } from "../manifest.ts";
import { readPicture } from "./read-picture.ts";

/** Pictures read and decoded at a time: decoding a large photo takes hundreds of megabytes. */
const DECODED_AT_A_TIME = 4;

/** An error in a message: classes do not pass between threads. */
export type Failure = Pick<ResidualError, "code" | "message">;

/** A picture of a batch: its size in pixels, or its error. */
export type Found =
  | { readonly image: string; readonly width: number; readonly height: number; readonly error?: never }
  | { readonly image: string; readonly error: Failure };

/** The pictures of a run. Those without an error have an image each in `data`, in order; zeros follow. */
export interface Batch {
  readonly pictures: readonly Found[];
  /** [batch, 3, crop, crop] */
  readonly data: Float32Array<ArrayBuffer>;
}

export type BatchOptions = Pick<Manifest, "batch" | "preprocessing" | "maxPixels" | "folder" | "endpoint">;

/**
 * Batches in the order of the list, each with as many images as a run has, besides pictures with an error. The memory
 * of each is `take`n when its first image is there.
 */
export async function* pictureBatches(
  items: readonly Item[],
  options: BatchOptions,
  take: () => Promise<Batch["data"]>,
): AsyncGenerator<Batch> {
  const { batch, preprocessing } = options;
  const size = sizeOf([3, preprocessing.crop, preprocessing.crop]);
  const spare: Float32Array[] = []; // memory of images that have been copied
  let pictures: Found[] = [];
  let data: Batch["data"] | undefined;
  let images = 0;
  for await (const { found, image } of decodedOf(items, options, () => spare.pop() ?? new Float32Array(size))) {
    pictures.push(found);
    if (!image) continue;
    data ??= await take();
    data.set(image, images++ * size);
    spare.push(image);
    if (images < batch) continue;
    yield { pictures, data };
    pictures = [];
    data = undefined;
    images = 0;
  }
  if (pictures.length === 0) return;
  data ??= await take();
  yield { pictures, data: data.fill(0, images * size) };
}

interface Decoded {
  readonly found: Found;
  /** [3, crop, crop]. Absent if the picture has an error. */
  readonly image?: Float32Array;
}

function decodedOf(items: readonly Item[], options: BatchOptions, memory: () => Float32Array): AsyncIterable<Decoded> {
  const { preprocessing, maxPixels, batch } = options;
  const decode = async (item: Item): Promise<Decoded> => {
    try {
      const bytes = await readPicture(item, options);
      const image = memory();
      const size = await decodeInto(bytes, preprocessing, image, { maxPixels: maxPixels ?? undefined });
      return { found: { image: item.image, ...size }, image };
    } catch (error) {
      if (!(error instanceof ResidualError)) throw error;
      const { code, message } = error;
      return { found: { image: item.image, error: { code, message } } };
    }
  };
  const ahead = { concurrency: DECODED_AT_A_TIME, highWaterMark: 2 * batch };
  return Readable.from(items).map(decode, ahead);
}
