import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashU32 } from "@residual/core";
import { encodeImage, type Pixels } from "@residual/vision";
import type { Dataset } from "../data/dataset.ts";

/** A picture of pseudo-random bytes. */
export function noise(seed: number, width: number, height: number = width): Pixels {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => hashU32(seed, i) & 255);
  return { width, height, data };
}

/** A data set of such pictures in memory: `counts` are the numbers of pictures of each class. */
export function noiseDataset(counts: readonly number[], side: number): Dataset {
  const labels = counts.map((_, label) => `class ${label}`);
  const examples = counts.flatMap((count, label) =>
    Array.from({ length: count }, (_, i) => ({
      name: `${label}/${i}`,
      label,
      picture: { pixels: noise(1000 * label + i, side) },
    })),
  );
  return { labels, examples, notes: [] };
}

/** Writes PNG files, by their path in the folder; a text instead of pixels becomes a file that is no picture. */
export async function writePictures(
  folder: string,
  files: { readonly [path: string]: Pixels | string },
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), typeof content === "string" ? content : await png(content));
  }
}

async function png({ width, height, data }: Pixels): Promise<Uint8Array> {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(i * 3, i * 3 + 3), i * 4);
  return encodeImage({ width, height, data: rgba });
}
