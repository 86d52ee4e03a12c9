import type { Tensor } from "@residual/core";
import { type Palette, paint } from "./colours.ts";

export interface StripLook {
  /** Side of a map, and the distance between two, in pixels. */
  readonly side: number;
  readonly gap: number;
  /** The number that has the strongest colour: each map's own largest, or the whole layer's. */
  readonly scale: "map" | "layer";
  readonly palette: Palette;
}

/** Maps of a value side by side, each `side` pixels wide. Small maps stay pixels, large ones are averaged. */
export function paintStrip(
  value: Tensor<"float32">,
  channels: readonly number[],
  { side, gap, scale, palette }: StripLook,
): ImageBitmap {
  const [, height, width] = planesOf(value);
  const size = height * width;
  const strip = new OffscreenCanvas(channels.length * (side + gap) - gap, side);
  const context = strip.getContext("2d")!;
  context.imageSmoothingEnabled = width > side;
  context.imageSmoothingQuality = "high";
  context.beginPath();
  for (const at of channels.keys()) context.roundRect(at * (side + gap), 0, side, side, side / 14);
  context.clip();
  const map = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  const ofLayer = scale === "layer" ? magnitude(value.data) : undefined;
  for (const [at, channel] of channels.entries()) {
    const numbers = value.data.subarray(channel * size, (channel + 1) * size);
    paint(numbers, ofLayer ?? magnitude(numbers), palette, pixels.data);
    map.getContext("2d")!.putImageData(pixels, 0, 0);
    context.drawImage(map, at * (side + gap), 0, side, side);
  }
  return strip.transferToImageBitmap();
}

/** [1, C, H, W] as [C, H, W]; [1, C] has maps of one number. */
export function planesOf({ shape }: Tensor<"float32">): readonly [channels: number, height: number, width: number] {
  const [, channels = 1, height = 1, width = 1] = shape;
  return [channels, height, width];
}

function magnitude(numbers: Float32Array): number {
  let largest = 0;
  for (const each of numbers) largest = Math.max(largest, Math.abs(each));
  return largest;
}
