import type { WorkOptions } from "@residual/core";
import type { Classifier } from "@residual/pipeline";
import { cropArea, decodeImage } from "@residual/vision";

/** A square of pixels, RGBA. */
export interface Photo {
  readonly side: number;
  readonly rgba: ArrayBuffer;
}

/** Large enough for a screen of two pixels a point. */
const LARGEST = 640;

/** The part of a picture that the network sees, in the picture's own sharpness. */
export async function seenPart({ preprocessing }: Classifier, picture: Blob, { signal }: WorkOptions): Promise<Photo> {
  const { upright } = preprocessing;
  const { width, height, data } = await decodeImage(picture, { signal, upright });
  const area = cropArea({ width, height }, preprocessing);
  const side = Math.min(LARGEST, Math.max(1, Math.round(area.width)));
  const whole = new OffscreenCanvas(width, height);
  whole.getContext("2d")!.putImageData(new ImageData(opaque(data), width, height), 0, 0);
  const context = new OffscreenCanvas(side, side).getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, area.left, area.top, area.width, area.height, 0, 0, side, side);
  return { side, rgba: context.getImageData(0, 0, side, side).data.buffer };
}

/** RGB to RGBA. */
function opaque(rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from]!;
    rgba[to + 1] = rgb[from + 1]!;
    rgba[to + 2] = rgb[from + 2]!;
  }
  return rgba;
}
