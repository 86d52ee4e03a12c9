import { type Pads, sizeOf } from "@residual/core";

/**
 * The layout of an image in memory. `host` is row-major, as tensors hold them. `quads` is [channels /
 * 4][height][width][4]: four channels of a pixel are one vector, neighbouring pixels are 16 bytes apart, and lanes
 * after the last channel have any content. `pixels` is [height][width][channels], for images of few channels. Images
 * follow one another. A border of zeros lies around an image in `quads` and `pixels`, so that a convolution reads its
 * padding like any pixel.
 */
export interface ImageLayout {
  readonly order: "host" | "quads" | "pixels";
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** In pixels. */
  readonly border: Pads;
}

export const NO_BORDER: Pads = [0, 0, 0, 0];

/** A tensor as images: rank 2 is one pixel, other ranks than 4 are all channels. */
export function layoutOf(shape: readonly number[], order: ImageLayout["order"] = "quads"): ImageLayout {
  if (shape.length === 4) {
    const [, channels = 1, height = 1, width = 1] = shape;
    return { order, channels, height, width, border: NO_BORDER };
  }
  const channels = shape.length === 2 ? shape[1]! : sizeOf(shape);
  return { order, channels, height: 1, width: 1, border: NO_BORDER };
}

/** Images of a tensor. */
export function imagesOf(shape: readonly number[]): number {
  return shape.length === 4 || shape.length === 2 ? shape[0]! : 1;
}

export function inOrder(layout: ImageLayout, order: ImageLayout["order"]): ImageLayout {
  return { ...layout, order, border: NO_BORDER };
}

/** Quads of channels; the last may be incomplete. */
export function quadsOf({ channels }: Pick<ImageLayout, "channels">): number {
  return Math.ceil(channels / 4);
}

/** Bytes from one pixel to the next. */
export function pixelBytes({ order, channels }: ImageLayout): number {
  return { host: 4, quads: 16, pixels: 4 * channels }[order];
}

/** Bytes from one row to the next. */
export function rowBytes(layout: ImageLayout): number {
  const [, left, , right] = layout.border;
  return (left + layout.width + right) * pixelBytes(layout);
}

/** Bytes of one plane: a channel in `host`, four in `quads`, all in `pixels`. */
export function planeBytes(layout: ImageLayout): number {
  const [top, , bottom] = layout.border;
  return (top + layout.height + bottom) * rowBytes(layout);
}

/** Bytes of one image. */
export function imageBytes(layout: ImageLayout): number {
  return planeBytes(layout) * { host: layout.channels, quads: quadsOf(layout), pixels: 1 }[layout.order];
}

/** Offset of the first pixel, after the border. */
export function originOf(layout: ImageLayout): number {
  const [top, left] = layout.border;
  return top * rowBytes(layout) + left * pixelBytes(layout);
}

export function hasBorder({ border }: ImageLayout): boolean {
  return border.some((pixels) => pixels > 0);
}

/** Whether an image has the host's order even in `quads`: one pixel, and no unused lane. */
export function isDense({ order, channels, height, width, border }: ImageLayout): boolean {
  return order === "host" || (channels % 4 === 0 && height * width === 1 && border.every((pixels) => pixels === 0));
}

/** The larger border of two, side by side. */
export function widest(a: Pads, b: Pads): Pads {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

/** `quads 64×56×56 +1` */
export function formatLayout({ order, channels, height, width, border }: ImageLayout): string {
  const around = border.some((pixels) => pixels > 0) ? ` +${border.join("+")}` : "";
  return `${order} ${channels}×${height}×${width}${around}`;
}
