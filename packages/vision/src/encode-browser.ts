import { UnsupportedError } from "@residual/core";
import { checkRgba, type RgbaImage } from "./pixels.ts";

/** The part of the DOM that is used here: the packages are checked without it. */
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d"): { putImageData(data: ImageData, x: number, y: number): void } | null;
  convertToBlob(options: { readonly type: string }): Promise<Blob>;
}
declare class ImageData {
  constructor(data: Uint8ClampedArray, width: number, height: number);
}

/**
 * A PNG file of 8 bits a channel. Colours beneath alpha are those that a canvas keeps. Throws ShapeError where size and
 * data differ, UnsupportedError where the browser has no canvas of the size.
 */
export async function encodePng(image: RgbaImage): Promise<Uint8Array<ArrayBuffer>> {
  checkRgba(image);
  const { width, height, data } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context)
    throw new UnsupportedError(`this browser has no canvas of ${width} x ${height} pixels; write a smaller PNG`);
  context.putImageData(new ImageData(Uint8ClampedArray.from(data), width, height), 0, 0);
  const file = await canvas.convertToBlob({ type: "image/png" });
  return new Uint8Array(await file.arrayBuffer());
}
