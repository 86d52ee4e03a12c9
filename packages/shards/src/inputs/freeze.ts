import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FormatError, throwIfAborted, type WorkOptions } from "@residual/core";
import { makeFolder, writeAtomic } from "@residual/kit/files";
import { type Item, inputsPath } from "../job.ts";
import { isUrl } from "../shard/fetch-picture.ts";
import { imagesOf } from "./images.ts";

export interface FrozenList {
  readonly images: number;
  readonly shards: number;
  /** SHA-256 of the list, in hexadecimal. */
  readonly digest: string;
}

/**
 * Writes the list of each shard's pictures, with the size and time of files. The pictures are listed once, a shard at a
 * time, so that memory does not grow with them. Throws FormatError for an input without pictures, and as `imagesOf`.
 */
export async function freeze(
  out: string,
  { input, shardSize, signal, onProgress }: FreezeOptions,
): Promise<FrozenList> {
  await rm(join(out, "inputs"), { recursive: true, force: true }); // of a process that was killed
  await makeFolder(join(out, "inputs"));
  const digest = createHash("sha256");
  let [images, shards] = [0, 0];
  for await (const group of groupsOf(imagesOf(input), shardSize)) {
    throwIfAborted(signal);
    const items = await Promise.all(group.map(itemOf));
    const lines = Buffer.from(items.map((item) => `${JSON.stringify(item)}\n`).join(""));
    digest.update(lines);
    await writeAtomic([{ path: inputsPath({ out }, shards++), pieces: [lines] }], { signal });
    images += group.length;
    onProgress?.({ stage: "list", done: images, total: Number.POSITIVE_INFINITY });
  }
  if (images === 0) throw new FormatError(`${input.join(", ")}: found no picture; check the input`);
  return { images, shards, digest: digest.digest("hex") };
}

export interface FreezeOptions {
  readonly input: readonly string[];
  readonly shardSize: number;
  readonly signal?: WorkOptions["signal"];
  readonly onProgress?: WorkOptions["onProgress"];
}

async function itemOf(image: string): Promise<Item> {
  const isFile = !isUrl(image);
  const found = isFile ? await stat(resolve(image)).catch(() => undefined) : undefined; // its row tells what is missing
  return found ? { image, bytes: found.size, modified: found.mtimeMs } : { image };
}

async function* groupsOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
