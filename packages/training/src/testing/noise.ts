import { hashU32 } from "@residual/core";
import type { Pixels } from "@residual/vision";
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
