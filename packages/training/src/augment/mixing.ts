import { type Tensor, tensorOf } from "@residual/core";
import { below, beta, type Random } from "../random.ts";
import type { Box } from "./raster.ts";

/** Images [N, C, H, W] and a row of class shares for each, [N, classes]. */
export interface MixableBatch {
  readonly image: Tensor<"float32">;
  readonly target: Tensor<"float32">;
}

/**
 * Each image becomes `share` of itself and the rest of the image before it in the batch, the first image's is the last.
 * Their targets are mixed alike. Source: torchvision, transforms/v2, MixUp (Zhang et al. 2017).
 */
export function mixedUp({ image, target }: MixableBatch, share: number): MixableBatch {
  return { image: mixedRows(image, share), target: mixedRows(target, share) };
}

/**
 * A box of each image is replaced by the image before it in the batch; targets are mixed by the areas. Source:
 * torchvision, transforms/v2, CutMix (Yun et al. 2019).
 */
export function cutMixed({ image, target }: MixableBatch, box: Box): MixableBatch {
  const [count, channels, height, width] = image.shape as [number, number, number, number];
  const mixed = image.data.slice();
  const plane = height * width;
  for (let n = 0; n < count; n++) {
    const before = (n + count - 1) % count;
    for (let c = 0; c < channels; c++) {
      for (let row = box.top; row < box.top + box.height; row++) {
        const from = (before * channels + c) * plane + row * width + box.left;
        mixed.set(image.data.subarray(from, from + box.width), (n * channels + c) * plane + row * width + box.left);
      }
    }
  }
  const share = 1 - (box.width * box.height) / (width * height);
  return { image: tensorOf("float32", image.shape, mixed), target: mixedRows(target, share) };
}

/** A box with about 1 − share of the image's area, with its centre inside the image and cut off at the edges. */
export function drawCutMix(random: Random, width: number, height: number, share: number): Box {
  const [x, y] = [below(random, width), below(random, height)];
  const side = 0.5 * Math.sqrt(1 - share);
  const [halfWidth, halfHeight] = [Math.trunc(side * width), Math.trunc(side * height)];
  const [left, top] = [Math.max(x - halfWidth, 0), Math.max(y - halfHeight, 0)];
  return {
    left,
    top,
    width: Math.min(x + halfWidth, width) - left,
    height: Math.min(y + halfHeight, height) - top,
  };
}

/** Exponents of the beta distributions that shares are drawn from. With both, each batch is mixed by one of them. */
export interface Mixing {
  readonly mixup?: number | undefined;
  readonly cutmix?: number | undefined;
}

/** Mixes a batch, if `mixing` says so. */
export function mixed(batch: MixableBatch, random: Random, { mixup, cutmix }: Mixing): MixableBatch {
  const isCut = cutmix !== undefined && (mixup === undefined || random.next() < 0.5);
  const alpha = isCut ? cutmix : mixup;
  if (alpha === undefined) return batch;
  const share = beta(random, alpha);
  if (!isCut) return mixedUp(batch, share);
  const [, , height, width] = batch.image.shape as [number, number, number, number];
  return cutMixed(batch, drawCutMix(random, width, height, share));
}

/** Each row times `share`, plus the row before it times the rest. */
function mixedRows({ shape, data }: Tensor<"float32">, share: number): Tensor<"float32"> {
  const [rows] = shape as [number];
  const size = data.length / rows;
  const own = Math.fround(share);
  const other = Math.fround(1 - share);
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const before = ((row + rows - 1) % rows) * size;
    for (let i = 0, at = row * size; i < size; i++, at++)
      out[at] = Math.fround(data[before + i]! * other) + Math.fround(data[at]! * own);
  }
  return tensorOf("float32", shape, out);
}
