import { hash } from "node:crypto";
import { type Progress, ResidualError } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { imageCount, itemsOf, type Job, type ShardResult, shardPath } from "../job.ts";
import type { Row } from "../row.ts";
import type { ShardModel } from "./model.ts";
import type { Batch, Failure } from "./picture-batches.ts";
import { encodeRows } from "./rows.ts";

/**
 * Answers for the pictures of a shard, written as one file that appears whole or not at all. While the model runs, a
 * thread reads and decodes the next pictures.
 *
 * The file's bytes depend on the manifest and on the pictures alone: batches are filled in the order of the list, never
 * by what is decoded first. Throws FormatError if the file cannot be written, and errors of the model and of the
 * thread.
 */
export async function runShard(
  job: Job,
  shard: number,
  model: ShardModel,
  onProgress?: (progress: Progress) => void,
): Promise<ShardResult> {
  const start = performance.now();
  const rows: Row[] = [];
  for await (const batch of model.batches(await itemsOf(job, shard))) {
    rows.push(...(await rowsOf(batch, model)));
    onProgress?.({ stage: "bulk", done: rows.length, total: imageCount(job, shard) });
  }
  const bytes = encodeRows(rows, job.manifest);
  await writeAtomic([{ path: shardPath(job, shard), pieces: [bytes] }]);
  const errors = rows.filter(({ error }) => error !== null).length;
  return { shard, rows: rows.length, errors, sha256: hash("sha256", bytes), ms: Math.round(performance.now() - start) };
}

async function rowsOf({ pictures, data }: Batch, model: ShardModel): Promise<readonly Row[]> {
  const images = pictures.filter(({ error }) => !error).length;
  const answers = (images > 0 ? await model.answer(data, images) : []).values();
  const failed = (image: string, { code, message }: Failure): Row => ({
    image,
    error: code,
    message,
    width: null,
    height: null,
    ...model.noAnswer,
  });
  return pictures.map((picture) => {
    if (picture.error) return failed(picture.image, picture.error);
    const answer = answers.next().value!;
    if (answer instanceof ResidualError) return failed(picture.image, answer);
    const { image, width, height } = picture;
    return { image, error: null, message: null, width, height, ...answer };
  });
}
