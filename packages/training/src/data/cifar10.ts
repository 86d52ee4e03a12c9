import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { FormatError } from "@residual/core";
import { cifar10Labels, readCifar10 } from "@residual/vision";
import { sharedBytes } from "../shared-bytes.ts";
import type { Dataset, Example } from "./dataset.ts";

/** CIFAR-10's binary files, in order. Their pixels, 3 KB each, are kept in memory that threads share. */
export async function cifar10(paths: readonly string[]): Promise<Dataset> {
  const examples: Example[] = [];
  for (const path of paths) {
    const images = imagesIn(await readFile(path), path);
    const size = images[0]!.pixels.data.length;
    const memory = sharedBytes(images.length * size);
    for (const [index, { label, pixels }] of images.entries()) {
      const data = memory.subarray(index * size, (index + 1) * size);
      data.set(pixels.data);
      examples.push({ name: `${basename(path)}: image ${index}`, label, picture: { pixels: { ...pixels, data } } });
    }
  }
  return { labels: cifar10Labels, examples, notes: [] };
}

function imagesIn(bytes: Uint8Array, path: string): ReturnType<typeof readCifar10> {
  try {
    return readCifar10(bytes);
  } catch (error) {
    throw error instanceof FormatError ? new FormatError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}
