import { check, formatShape, type Preprocessing, type Tensor } from "@residual/core";
import { inferno } from "./inferno.ts";
import { checkPixels, type Pixels, type RgbaImage } from "./pixels.ts";
import { cropOffset, resizedSize } from "./preprocess.ts";
import type { Size } from "./resample.ts";

/** A rectangle of a picture, in pixels from the top left. It may begin between pixels, and reach beyond the picture. */
export interface Area extends Size {
  readonly left: number;
  readonly top: number;
}

/** The part of a picture that a model sees: where `crop` takes its square from. */
export function cropArea(size: Size, { resize, crop }: Pick<Preprocessing, "resize" | "crop">): Area {
  const resized = resizedSize(size, resize);
  const [across, down] = [size.width / resized.width, size.height / resized.height];
  return {
    left: cropOffset(resized.width, crop) * across,
    top: cropOffset(resized.height, crop) * down,
    width: crop * across,
    height: crop * down,
  };
}

/** A class activation map with the picture that it is of. */
export interface CamPicture {
  readonly pixels: Pixels;
  /** How much each place adds to the class, [H, W]. */
  readonly map: Tensor<"float32" | "float64">;
  /** The area that the map covers; default: the whole picture. */
  readonly area?: Area;
}

export interface CamOverlayOptions {
  /** Share of the colours over the picture, from 0 to 1. 0.5 */
  readonly opacity?: number;
}

/** Weights of red, green and blue in grey (ITU-R BT.601), as in Pillow's `convert("L")`. */
const LUMA = [0.299, 0.587, 0.114] as const;

/**
 * A class activation map over its picture, opaque, of the picture's size. The map's least value has the first colour of
 * `inferno`, its largest the last; between the centres of its cells it is interpolated linearly, as by PyTorch's
 * `interpolate(mode="bilinear", align_corners=False)`. Pixels outside the area, which the model does not see, are grey
 * and darkened. A constant map has the first colour.
 *
 * Throws ShapeError unless
 * C1  the map has two axes, and finite numbers in them;
 * C2  opacity is from 0 to 1;
 * C3  the area is of finite numbers, its sides above 0;
 * and for pixels that do not fit their size.
 */
export function overlayCam(
  { pixels, map, area = { left: 0, top: 0, ...pixels } }: CamPicture,
  { opacity = 0.5 }: CamOverlayOptions = {},
): RgbaImage {
  checkPixels(pixels);
  const [rows, columns] = checkArguments(map, area, opacity);
  const levels = levelsOf(map);
  const { width, height } = pixels;
  const [across, down] = [cellsOf(width, area.left, area.width, columns), cellsOf(height, area.top, area.height, rows)];
  const data = new Uint8Array(width * height * 4).fill(255);
  const mix = (from: number, to: number) => Math.round(from + (to - from) * opacity);
  for (let y = 0; y < height; y++) {
    const row = down[y];
    for (let x = 0; x < width; x++) {
      const column = across[x];
      const [from, to] = [(y * width + x) * 3, (y * width + x) * 4];
      if (!row || !column) {
        const grey = LUMA.reduce((sum, weight, channel) => sum + weight * pixels.data[from + channel]!, 0);
        data.fill(mix(grey, 0), to, to + 3);
        continue;
      }
      const at = (r: number, c: number) => levels[r * columns + c]!;
      const upper = at(row.before, column.before) * (1 - column.share) + at(row.before, column.after) * column.share;
      const lower = at(row.after, column.before) * (1 - column.share) + at(row.after, column.after) * column.share;
      const colour = 3 * Math.round(upper * (1 - row.share) + lower * row.share);
      for (let channel = 0; channel < 3; channel++)
        data[to + channel] = mix(pixels.data[from + channel]!, inferno[colour + channel]!);
    }
  }
  return { width, height, data };
}

function checkArguments(map: CamPicture["map"], area: Area, opacity: number): readonly [rows: number, columns: number] {
  const isMap = map.shape.length === 2 && map.data.length > 0 && map.data.every((value) => Number.isFinite(value));
  check(isMap, "overlayCam.C1", `the map is ${formatShape(map.shape)}, expected [H, W] of finite numbers`);
  check(opacity >= 0 && opacity <= 1, "overlayCam.C2", `opacity ${opacity}, expected a number from 0 to 1`);
  const { left, top, width, height } = area;
  const isArea = [left, top, width, height].every(Number.isFinite) && width > 0 && height > 0;
  check(isArea, "overlayCam.C3", `an area of ${width} x ${height} at ${left}, ${top}, expected sides above 0`);
  return [map.shape[0]!, map.shape[1]!];
}

/** The values of a map from 0, its least, to 255, its largest. */
function levelsOf({ data }: CamPicture["map"]): Float64Array {
  let [least, largest] = [Infinity, -Infinity];
  for (let i = 0; i < data.length; i++) {
    least = Math.min(least, data[i]!);
    largest = Math.max(largest, data[i]!);
  }
  const range = largest - least || 1;
  return Float64Array.from(data, (value) => (255 * (value - least)) / range);
}

/** The two cells that a pixel lies between, and how far it is from the first to the second. */
interface Between {
  readonly before: number;
  readonly after: number;
  readonly share: number;
}

/** For each pixel of an axis the cells it lies between; undefined for a pixel whose centre is outside of the area. */
function cellsOf(size: number, start: number, length: number, cells: number): readonly (Between | undefined)[] {
  return Array.from({ length: size }, (_, pixel) => {
    const place = ((pixel + 0.5 - start) / length) * cells;
    if (place < 0 || place > cells) return undefined;
    const centred = Math.min(Math.max(place - 0.5, 0), cells - 1);
    const before = Math.floor(centred);
    return { before, after: Math.min(before + 1, cells - 1), share: centred - before };
  });
}
