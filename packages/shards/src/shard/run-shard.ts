import { hash } from "node:crypto";
import { Readable } from "node:stream";
import { type Progress, ResidualError } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { decodeInto } from "@residual/vision";
import { type Item, itemsOf, type Job, type ShardResult, shardPath } from "../job.ts";
import type { Manifest } from "../manifest.ts";
import type { Row } from "../row.ts";
import type { ShardModel } from "./model.ts";
import { readPicture } from "./read-picture.ts";
import { encodeRows } from "./rows.ts";

/** Pictures read and decoded at a time: decoding a large photo takes hundreds of megabytes. */
const DECODED_AT_A_TIME = 4;

/**
 * Answers for the pictures of a shard, written as one file that appears whole or not at all. While the model runs, the
 * next pictures are read and decoded, up to two batches of them.
 *
 * The file's bytes depend on the manifest and on the pictures alone: batches are filled in the order of the list, never
 * by what is decoded first. Throws FormatError if the file cannot be written, and errors of the model.
 */
export async function runShard(
  job: Job,
  shard: number,
  model: ShardModel,
  onProgress?: (progress: Progress) => void,
): Promise<ShardResult> {
  const start = performance.now();
  const items = await itemsOf(job, shard);
  const rows: Row[] = [];
  const spare: Float32Array[] = [];
  for await (const pictures of batchesOf(decodedOf(items, job.manifest, spare), job.manifest.batch)) {
    rows.push(...(await rowsOf(pictures, model)));
    for (const { found } of pictures) if ("image" in found) spare.push(found.image);
    onProgress?.({ stage: "bulk", done: rows.length, total: items.length });
  }
  const bytes = encodeRows(rows, job.manifest);
  await writeAtomic([{ path: shardPath(job, shard), pieces: [bytes] }]);
  const errors = rows.filter(({ error }) => error !== null).length;
  return { shard, rows: rows.length, errors, sha256: hash("sha256", bytes), ms: Math.round(performance.now() - start) };
}

interface Decoded {
  readonly item: Item;
  /** `image` is the model's input, [3, crop, crop]. */
  readonly found: { readonly image: Float32Array; readonly width: number; readonly height: number } | ResidualError;
}

/** Pictures in the order of the list. Their images are taken from `spare`, while there are any. */
function decodedOf(items: readonly Item[], manifest: Manifest, spare: Float32Array[]): AsyncIterable<Decoded> {
  const { preprocessing, maxPixels, batch } = manifest;
  const decode = async (item: Item): Promise<Decoded> => {
    const image = spare.pop() ?? new Float32Array(3 * preprocessing.crop ** 2);
    try {
      const bytes = await readPicture(item, manifest);
      const size = await decodeInto(bytes, preprocessing, image, { maxPixels: maxPixels ?? undefined });
      return { item, found: { image, ...size } };
    } catch (error) {
      spare.push(image);
      if (error instanceof ResidualError) return { item, found: error };
      throw error;
    }
  };
  const ahead = { concurrency: DECODED_AT_A_TIME, highWaterMark: 2 * batch };
  return Readable.from(items).map(decode, ahead);
}

/** Groups with `batch` images each, besides pictures without one. */
async function* batchesOf(pictures: AsyncIterable<Decoded>, batch: number): AsyncGenerator<readonly Decoded[]> {
  let group: Decoded[] = [];
  let images = 0;
  for await (const picture of pictures) {
    group.push(picture);
    if ("image" in picture.found) images++;
    if (images < batch) continue;
    yield group;
    group = [];
    images = 0;
  }
  if (group.length > 0) yield group;
}

async function rowsOf(pictures: readonly Decoded[], model: ShardModel): Promise<readonly Row[]> {
  const images = pictures.flatMap(({ found }) => ("image" in found ? found.image : []));
  const answers = (images.length > 0 ? await model.answer(images) : []).values();
  return pictures.map(({ item: { image }, found }) => {
    const failed = ({ code, message }: ResidualError): Row => ({
      image,
      error: code,
      message,
      width: null,
      height: null,
      ...model.noAnswer,
    });
    if (found instanceof ResidualError) return failed(found);
    const answer = answers.next().value!;
    if (answer instanceof ResidualError) return failed(answer);
    return { image, error: null, message: null, width: found.width, height: found.height, ...answer };
  });
}
