import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { photos } from "@residual/kit/testing/folder";
import { type Job, type JobOptions, openModel, prepareJob, runShard } from "@residual/shards";
import { decodeImage, encodeImage, resample } from "@residual/vision";

/** A name that is HTML, and characters that a URL escapes. */
export const oddName = `<b onclick="alert('1')">&amp; 100%#?.jpg`;

/** The photos, a smaller JPEG of each of two of them, and a file that is no picture. */
export async function writePictures(folder: string): Promise<void> {
  await mkdir(folder);
  for (const name of ["chelsea.png", "coffee.png", "rocket.jpg"])
    await copyFile(join(photos, name), join(folder, name));
  await writeSmaller("chelsea.png", join(folder, "chelsea-small.jpg"));
  await writeSmaller("coffee.png", join(folder, oddName));
  await writeFile(join(folder, "broken.png"), "no picture");
}

/** The photo at two thirds of its size, as a JPEG. */
async function writeSmaller(name: string, path: string): Promise<void> {
  const pixels = await decodeImage(await readFile(join(photos, name)));
  const side = (length: number) => Math.round((length * 2) / 3);
  const small = resample(pixels, { width: side(pixels.width), height: side(pixels.height) }, "bicubic");
  const data = new Uint8Array(small.width * small.height * 4).fill(255);
  for (let pixel = 0; pixel < small.data.length / 3; pixel++)
    data.set(small.data.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
  await writeFile(path, await encodeImage({ ...small, data }, "jpeg"));
}

/** A finished job, in this process. */
export async function finishedJob(options: JobOptions): Promise<Job> {
  const job = await prepareJob({ backend: "wasm", batch: 2, shardSize: 4, outputs: ["embedding"], ...options });
  await using model = await openModel(job.manifest);
  for (let shard = 0; shard < job.manifest.shards; shard++) await runShard(job, shard, model);
  return job;
}
