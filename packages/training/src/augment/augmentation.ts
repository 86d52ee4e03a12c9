import type { Preprocessing } from "@residual/core";
import { crop } from "@residual/vision";
import type { Random } from "../random.ts";
import { type ColourJitter, drawJitter, jittered } from "./colour-jitter.ts";
import type { Mixing } from "./mixing.ts";
import { cropped, drawCrop, type RandomCrop } from "./random-crop.ts";
import type { RandomErasing } from "./random-erasing.ts";
import type { Raster } from "./raster.ts";
import { drawResizedCrop, type ResizedCrop, resizedCrop } from "./resized-crop.ts";
import { rasterOf, type View, wholeOf } from "./view.ts";

/**
 * Random changes of pictures, each with torchvision's meaning and defaults, in the order of these fields: mixes of a
 * whole batch come last. Plain data. Absent fields change nothing.
 */
export interface Augmentation extends Mixing {
  /** A random rectangle of the picture becomes the model's input. Without it the preprocessing resizes and crops. */
  readonly resizedCrop?: ResizedCrop | undefined;
  /** A random square of the model's size out of the padded input. */
  readonly crop?: RandomCrop | undefined;
  /** Share of the pictures that are mirrored left to right. */
  readonly flip?: number | undefined;
  readonly jitter?: ColourJitter | undefined;
  /** After normalization. */
  readonly erasing?: RandomErasing | undefined;
}

/** For small pictures, such as CIFAR-10's. Source: He et al. 2015, section 4.2. */
export const smallPictures: Augmentation = { crop: { padding: 4 }, flip: 0.5 };

/** For photos. Source: torchvision's references/classification, without its later additions. */
export const photos: Augmentation = { resizedCrop: {}, flip: 0.5 };

/** A square of the preprocessing's size: a random one with an augmentation, else as for inference. */
export function fitted(
  raster: Raster,
  preprocessing: Pick<Preprocessing, "resize" | "crop" | "interpolation">,
  augmentation: Augmentation,
  random: Random | undefined,
): View {
  const side = preprocessing.crop;
  const { resizedCrop: rectangle } = augmentation;
  const square =
    random && rectangle
      ? resizedCrop(raster, drawResizedCrop(random, raster, rectangle), side, preprocessing.interpolation)
      : centred(raster, preprocessing);
  return random ? changed(square, augmentation, random) : wholeOf(square);
}

/** As for inference. A picture that this would only copy stays as it is. */
function centred(raster: Raster, preprocessing: Pick<Preprocessing, "resize" | "crop" | "interpolation">): Raster {
  const { width, height, data } = raster;
  const isCopy = [width, height, preprocessing.resize].every((side) => side === preprocessing.crop);
  return isCopy || !(data instanceof Uint8Array) ? raster : crop({ width, height, data }, preprocessing);
}

function changed(raster: Raster, { crop, flip, jitter }: Augmentation, random: Random): View {
  const { raster: padded, box } = crop ? cropOf(raster, crop, random) : wholeOf(raster);
  const isMirrored = flip !== undefined && random.next() < flip;
  const view = { raster: padded, box, isMirrored };
  return jitter ? wholeOf(jittered(rasterOf(view), drawJitter(random, jitter))) : view;
}

/** Black padding takes no memory; mirrored padding does. */
function cropOf(raster: Raster, crop: RandomCrop, random: Random): View {
  const box = drawCrop(random, raster, raster, crop.padding);
  if (crop.mode === "reflect") return wholeOf(cropped(raster, box, crop));
  const inside = { ...box, top: box.top - crop.padding, left: box.left - crop.padding };
  return { raster, box: inside, isMirrored: false };
}
