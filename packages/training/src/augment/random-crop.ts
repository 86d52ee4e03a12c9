import { below, type Random } from "../random.ts";
import { type Box, channelsOf, emptyLike, type Raster } from "./raster.ts";

export interface RandomCrop {
  /** Pixels added on each side before the crop. */
  readonly padding: number;
  /** The padding is black ("constant", the default), or the image mirrored at its outermost pixels. */
  readonly mode?: "constant" | "reflect" | undefined;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The place of a crop of `size` in the padded image, whose coordinates the box has. The crop is no larger than the
 * padded image. Source: torchvision, transforms/v2, RandomCrop.
 */
export function drawCrop(random: Random, image: Size, size: Size, padding: number): Box {
  const spareRows = image.height + 2 * padding - size.height;
  const spareColumns = image.width + 2 * padding - size.width;
  const top = spareRows > 0 ? below(random, spareRows + 1) : 0;
  const left = spareColumns > 0 ? below(random, spareColumns + 1) : 0;
  return { top, left, height: size.height, width: size.width };
}

/** A box of the padded image, which itself is never made. */
export function cropped(raster: Raster, box: Box, { padding, mode = "constant" }: RandomCrop): Raster {
  const { width, height } = box;
  const out = emptyLike(raster, width * height * channelsOf(raster));
  const inside: Box = { ...box, top: box.top - padding, left: box.left - padding };
  if (mode === "constant") copyRows(raster, inside, out);
  else copyMirrored(raster, inside, out);
  return { width, height, data: out };
}

/** What lies outside the image keeps its zeros. */
function copyRows(raster: Raster, box: Box, out: Raster["data"]): void {
  const channels = channelsOf(raster);
  const first = Math.max(-box.left, 0);
  const end = Math.min(box.width, raster.width - box.left);
  if (first >= end) return;
  for (let row = Math.max(-box.top, 0); row < Math.min(box.height, raster.height - box.top); row++) {
    const start = (box.top + row) * raster.width + box.left;
    const pixels = raster.data.subarray((start + first) * channels, (start + end) * channels);
    out.set(pixels, (row * box.width + first) * channels);
  }
}

function copyMirrored(raster: Raster, box: Box, out: Raster["data"]): void {
  const channels = channelsOf(raster);
  const columns = Int32Array.from({ length: box.width }, (_, x) => mirrored(box.left + x, raster.width) * channels);
  for (let row = 0, to = 0; row < box.height; row++) {
    const start = mirrored(box.top + row, raster.height) * raster.width * channels;
    for (const column of columns) for (let c = 0; c < channels; c++) out[to++] = raster.data[start + column + c]!;
  }
}

/** The coordinate in an image whose outermost pixels are mirrors. It is less than a whole image outside. */
function mirrored(at: number, size: number): number {
  const positive = Math.abs(at);
  return positive < size ? positive : 2 * (size - 1) - positive;
}
