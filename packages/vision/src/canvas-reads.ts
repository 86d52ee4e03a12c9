import { UnsupportedError } from "@residual/core";

/** The part of the DOM that is used here: the packages are checked without it. */
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  getContext(kind: "2d", options: { readonly willReadFrequently: boolean }): Context2d | null;
}
interface Context2d {
  putImageData(image: ImageData, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): ImageData;
}
declare class ImageData {
  readonly data: Uint8ClampedArray;
  constructor(data: Uint8ClampedArray, width: number, height: number);
}

const SIDE = 32;

let areExact: boolean | undefined;

/**
 * Throws UnsupportedError in a browser that changes what is read from a canvas, so that pages cannot tell users apart:
 * Firefox with privacy.resistFingerprinting, in private windows, and others.
 */
export function checkCanvasReads(name: string, wayOut: string): void {
  areExact ??= readsExactly();
  if (areExact) return;
  throw new UnsupportedError(
    `${name}: this browser changes the pixels that are read from a canvas, against fingerprinting ` +
      `(privacy.resistFingerprinting in Firefox); ${wayOut}`,
  );
}

/** Of many colours, since browsers leave a canvas of one colour as it is. */
function readsExactly(): boolean {
  const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  if (!context) return true; // the read itself says so
  const written = Uint8ClampedArray.from({ length: SIDE * SIDE * 4 }, (_, i) => (i % 4 === 3 ? 255 : i * 73));
  context.putImageData(new ImageData(written, SIDE, SIDE), 0, 0);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return written.every((value, i) => data[i] === value);
}
