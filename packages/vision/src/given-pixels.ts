import { check, describeValue, UnsupportedError } from "@residual/core";
import { checkPixels, type Pixels, pixelsOfRgba, type RgbaImage } from "./pixels.ts";

/** A canvas of a page, of a worker, or of one of Node's packages. */
export interface CanvasLike {
  readonly width: number;
  readonly height: number;
  getContext(kind: "2d"): unknown;
}

/**
 * The pixels of a source that holds them, of any realm: RGB or RGBA, ImageData, a canvas. Undefined for any other.
 *
 * Throws ShapeError unless
 * P1  `data` holds `height × width × 3` bytes, or `× 4`;
 * P2  both sides are whole numbers of at least 1;
 * P3  `data` is a Uint8Array or a Uint8ClampedArray;
 * UnsupportedError for a canvas that does not give pixels.
 */
export function givenPixels(source: unknown, name: string): Pixels | undefined {
  if (typeof source !== "object" || source === null || !("width" in source && "height" in source)) return undefined;
  const held = "getContext" in source ? imageDataOf(source as CanvasLike, name) : source;
  if (!("data" in held)) return undefined;
  const { width, height, data } = held as Pixels;
  const isBytes = ArrayBuffer.isView(data) && data.BYTES_PER_ELEMENT === 1 && !("getInt8" in data);
  check(isBytes, "pixels.P3", `${name}: data is ${describeValue(data)}, expected a Uint8Array of RGB or RGBA`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // of this realm
  const isRgba = bytes.length === width * height * 4 && width * height > 0;
  const pixels = isRgba ? pixelsOfRgba({ width, height, data: bytes }) : { width, height, data: bytes };
  checkPixels(pixels);
  return pixels;
}

function imageDataOf(canvas: CanvasLike, name: string): RgbaImage {
  const context = canvas.getContext("2d") as Context | null;
  try {
    if (context) return context.getImageData(0, 0, canvas.width, canvas.height);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnsupportedError(`${name}: the canvas does not give its pixels (${why.slice(0, 200)})`, { cause });
  }
  throw new UnsupportedError(`${name}: found a canvas without a 2D context; draw it onto one that has it`);
}

interface Context {
  getImageData(x: number, y: number, width: number, height: number): RgbaImage;
}
