import { type Interpolation, UnsupportedError } from "@residual/core";
import { resample } from "@residual/vision";
import { below, between, type Random } from "../random.ts";
import { cropped } from "./random-crop.ts";
import type { Box, Raster } from "./raster.ts";

export interface ResizedCrop {
  /** The least and the most share of the image's area. Default [0.08, 1] */
  readonly scale?: readonly [number, number] | undefined;
  /** The least and the most ratio of width to height. Default [3/4, 4/3] */
  readonly ratio?: readonly [number, number] | undefined;
}

const resizedCropDefaults = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

/**
 * A rectangle of the image, with random area and ratio of sides. If none of ten fits into the image, the largest in its
 * centre with an allowed ratio. Source: torchvision, transforms/v2, RandomResizedCrop (Szegedy et al. 2014).
 */
export function drawResizedCrop(
  random: Random,
  { width, height }: Pick<Raster, "width" | "height">,
  { scale = resizedCropDefaults.scale, ratio = resizedCropDefaults.ratio }: ResizedCrop,
): Box {
  for (let attempt = 0; attempt < 10; attempt++) {
    const box = drawSides(random, width * height, scale, ratio);
    const fits = box.width > 0 && box.width <= width && box.height > 0 && box.height <= height;
    if (!fits) continue;
    const top = below(random, height - box.height + 1);
    return { ...box, top, left: below(random, width - box.width + 1) };
  }
  return centred({ width, height }, ratio);
}

/** Sides of a rectangle: its area is uniform in its range, the logarithm of its ratio too. */
export function drawSides(
  random: Random,
  area: number,
  scale: readonly [number, number],
  ratio: readonly [number, number],
): { readonly width: number; readonly height: number } {
  const target = area * between(random, ...scale);
  const aspect = Math.exp(between(random, Math.log(ratio[0]), Math.log(ratio[1])));
  return { width: roundHalfEven(Math.sqrt(target * aspect)), height: roundHalfEven(Math.sqrt(target / aspect)) };
}

function centred({ width, height }: Pick<Raster, "width" | "height">, [least, most]: readonly [number, number]): Box {
  const found = width / height;
  const inside =
    found < least
      ? { width, height: roundHalfEven(width / least) }
      : found > most
        ? { width: roundHalfEven(height * most), height }
        : { width, height };
  const middle = (outer: number, inner: number) => Math.floor((outer - inner) / 2);
  return { ...inside, top: middle(height, inside.height), left: middle(width, inside.width) };
}

/** The box, resized to a square of `side`. Throws UnsupportedError for numbers other than bytes. */
export function resizedCrop(raster: Raster, box: Box, side: number, interpolation: Interpolation): Raster {
  const { width, height, data } = cropped(raster, box, { padding: 0 });
  if (data instanceof Uint8Array)
    return resample({ width, height, data }, { width: side, height: side }, interpolation);
  throw new UnsupportedError(
    "a random resized crop resizes pictures of bytes, found numbers; crop them, or give bytes",
  );
}

/** Python's `round`. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}
