import type { PlaneTable } from "@residual/vision";
import { flipped } from "./flip.ts";
import { cropped } from "./random-crop.ts";
import type { Box, Raster } from "./raster.ts";

/** A rectangle of a raster, maybe mirrored left to right. What lies outside the raster is black. */
export interface View {
  readonly raster: Raster;
  readonly box: Box;
  readonly isMirrored: boolean;
}

export function wholeOf(raster: Raster): View {
  const { width, height } = raster;
  return { raster, box: { top: 0, left: 0, width, height }, isMirrored: false };
}

/** The view as a raster. */
export function rasterOf({ raster, box, isMirrored }: View): Raster {
  const inside = cropped(raster, box, { padding: 0 });
  return isMirrored ? flipped(inside) : inside;
}

/**
 * Writes the normalized planes of a view of bytes: `normalize(rasterOf(view))` in one pass, without memory for the
 * raster between.
 */
export function writeView(
  { raster, box, isMirrored }: View,
  tables: readonly PlaneTable[],
  planes: Float32Array,
): void {
  const { data, width, height } = raster;
  const first = Math.max(-box.left, 0);
  const end = Math.min(box.width, width - box.left);
  for (const [plane, { channel, values }] of tables.entries()) {
    const out = planes.subarray(plane * box.width * box.height, (plane + 1) * box.width * box.height);
    if (first > 0 || end < box.width || box.top < 0 || box.top + box.height > height) out.fill(values[0]!);
    for (let row = Math.max(-box.top, 0); row < Math.min(box.height, height - box.top); row++) {
      let from = ((box.top + row) * width + box.left + first) * 3 + channel;
      const step = isMirrored ? -1 : 1;
      let to = row * box.width + (isMirrored ? box.width - 1 - first : first);
      for (let x = first; x < end; x++, from += 3, to += step) out[to] = values[data[from]!]!;
    }
  }
}
