/**
 * An image while it is augmented: interleaved, `data` `[height, width, channels]`, rows from the top. Bytes of a
 * picture, or numbers that are a model's input already.
 */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Float32Array;
}

export function channelsOf({ width, height, data }: Raster): number {
  return data.length / (width * height);
}

/** A rectangle, in pixels from the top left. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Memory for another raster with the same kind of numbers, all 0. */
export function emptyLike({ data }: Raster, length: number): Uint8Array | Float32Array {
  return data instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
}
