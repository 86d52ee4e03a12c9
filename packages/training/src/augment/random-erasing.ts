import { below, normal, type Random } from "../random.ts";
import type { Box } from "./raster.ts";
import { drawSides } from "./resized-crop.ts";

export interface RandomErasing {
  /** Share of the images that lose a rectangle. Default 0.5 */
  readonly probability?: number | undefined;
  /** The least and the most share of the image's area. Default [0.02, 0.33] */
  readonly scale?: readonly [number, number] | undefined;
  /** The least and the most ratio of height to width. Default [0.3, 3.3] */
  readonly ratio?: readonly [number, number] | undefined;
  /** Fills the rectangle, after normalization. "random": numbers of the normal distribution. Default 0 */
  readonly value?: number | "random" | undefined;
}

/**
 * A rectangle inside the image, or undefined if none of ten was smaller than the image. Source: torchvision,
 * transforms/v2, RandomErasing (Zhong et al. 2017).
 */
export function drawErasing(
  random: Random,
  image: { readonly width: number; readonly height: number },
  { scale = [0.02, 0.33], ratio = [0.3, 3.3] }: RandomErasing,
): Box | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    // torchvision's ratio is height to width here, and width to height in its resized crop
    const { width: height, height: width } = drawSides(random, image.width * image.height, scale, ratio);
    if (height >= image.height || width >= image.width) continue;
    const top = below(random, image.height - height + 1);
    return { top, left: below(random, image.width - width + 1), height, width };
  }
  return undefined;
}

/** Fills a rectangle of planes `[channels, height, width]`, in place. */
function erase(
  planes: Float32Array,
  size: { readonly width: number; readonly height: number },
  { top, left, height, width }: Box,
  fill: () => number,
): void {
  for (let plane = 0; plane < planes.length; plane += size.width * size.height)
    for (let row = top; row < top + height; row++)
      for (let x = left; x < left + width; x++) planes[plane + row * size.width + x] = fill();
}

/** Erases a random rectangle of some images. */
export function eraseRandomly(
  planes: Float32Array,
  size: { readonly width: number; readonly height: number },
  random: Random,
  erasing: RandomErasing,
): void {
  const { probability = 0.5, value = 0 } = erasing;
  if (random.next() >= probability) return;
  const box = drawErasing(random, size, erasing);
  if (box) erase(planes, size, box, value === "random" ? () => normal(random) : () => value);
}
