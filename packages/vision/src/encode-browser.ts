import { UnsupportedError } from "@residual/core";
import { checkCanvasReads } from "./canvas-reads.ts";
import { checkRgba, type EncodedFormat, type RgbaImage } from "./pixels.ts";

/** The part of the DOM that is used here: the packages are checked without it. */
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d"): { putImageData(data: ImageData, x: number, y: number): void } | null;
  convertToBlob(options: { readonly type: string; readonly quality: number }): Promise<Blob>;
}
declare class ImageData {
  constructor(data: Uint8ClampedArray, width: number, height: number);
}

/**
 * An image file of 8 bits a channel: a PNG, or a JPEG or WebP of quality 90, without alpha in a JPEG. Colours beneath
 * alpha are those that a canvas keeps. Throws ShapeError where size and data differ, UnsupportedError where the browser
 * has no canvas of the size, does not write the format, or changes what is read from a canvas.
 */
export async function encodeImage(image: RgbaImage, format: EncodedFormat = "png"): Promise<Uint8Array<ArrayBuffer>> {
  checkRgba(image);
  checkCanvasReads("image", "exempt this site from that protection");
  const { width, height, data } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context)
    throw new UnsupportedError(`this browser has no canvas of ${width} x ${height} pixels; write a smaller image`);
  context.putImageData(new ImageData(Uint8ClampedArray.from(data), width, height), 0, 0);
  const type = `image/${format}`;
  const file = await canvas.convertToBlob({ type, quality: 0.9 });
  if (file.type !== type) throw new UnsupportedError(`this browser does not write ${format} files; choose png`);
  return new Uint8Array(await file.arrayBuffer());
}
