import { fill, type Tensor, tensorOf } from "@residual/core";
import fc from "fast-check";
import { type ImageLayout, NO_BORDER } from "../layout.ts";

/** Images as tensors hold them: [images][channels][height][width]. */
export interface Images {
  readonly layout: ImageLayout;
  readonly images: number;
  readonly data: Float32Array;
  /** The shape as core has it, where that is not [images, channels, height, width]. */
  readonly shape?: readonly number[];
}

/** Where a number of an image lies, in float32 numbers. Worked out from what layout.ts says, not by its functions. */
function placeOf(
  { order, channels, height, width, border: [top, left, bottom, right] }: ImageLayout,
  [image, channel, row, column]: readonly [number, number, number, number],
): number {
  const [rows, columns] = [top + height + bottom, left + width + right];
  const pixel = (row + top) * columns + column + left;
  switch (order) {
    case "host":
      return (image * channels + channel) * rows * columns + pixel;
    case "pixels":
      return (image * rows * columns + pixel) * channels + channel;
    case "quads":
      return ((image * Math.ceil(channels / 4) + Math.floor(channel / 4)) * rows * columns + pixel) * 4 + (channel % 4);
  }
}

/** Numbers of memory that images take. */
export function numbersOf({ order, channels, height, width, border }: ImageLayout, images: number): number {
  const [top, left, bottom, right] = border;
  const pixels = (top + height + bottom) * (left + width + right);
  return images * pixels * (order === "quads" ? 4 * Math.ceil(channels / 4) : channels);
}

/** Visits each number of some images: its index as tensors hold them, and where it lies in a layout. */
export function eachNumber(layout: ImageLayout, images: number, visit: (index: number, place: number) => void): void {
  let index = 0;
  for (let image = 0; image < images; image++)
    for (let channel = 0; channel < layout.channels; channel++)
      for (let row = 0; row < layout.height; row++)
        for (let column = 0; column < layout.width; column++)
          visit(index++, placeOf(layout, [image, channel, row, column]));
}

/** A NaN with other bits than a computation gives, for what nobody may read or write. */
export const UNTOUCHED = 0x7fc0abcd;

/** Images in a layout: zeros in the border, and in lanes that no channel has a NaN. */
export function laidOut({ layout, images, data }: Images): Uint32Array {
  const all = new Uint32Array(numbersOf(layout, images));
  const numbers = new Float32Array(all.buffer);
  for (let at = 0; at < all.length; at++) if (isUnusedLane(layout, at)) all[at] = UNTOUCHED;
  eachNumber(layout, images, (index, place) => {
    numbers[place] = data[index]!;
  });
  return all;
}

function isUnusedLane({ order, channels, height, width, border }: ImageLayout, at: number): boolean {
  if (order !== "quads") return false;
  const pixels = (border[0] + height + border[2]) * (border[1] + width + border[3]);
  const quads = Math.ceil(channels / 4);
  return 4 * (Math.floor(at / (4 * pixels)) % quads) + (at % 4) >= channels;
}

/** What a kernel that writes images may change: their numbers, and lanes of their pixels that no channel has. */
export function writable(layout: ImageLayout, images: number): ReadonlySet<number> {
  const places = new Set<number>();
  const channels = layout.order === "quads" ? 4 * Math.ceil(layout.channels / 4) : layout.channels;
  eachNumber({ ...layout, channels }, images, (_, place) => places.add(place));
  return places;
}

export function tensorOfImages({ layout, images, data, shape }: Images): Tensor<"float64"> {
  const { channels, height, width } = layout;
  return tensorOf("float64", shape ?? [images, channels, height, width], Float64Array.from(data));
}

const specials = [Number.NaN, Infinity, -Infinity, -0, 0, 2 ** -149, 1e30, -1e30];

/** Some numbers in ±4, of which a share are NaN, infinite or otherwise odd. */
export function numbers(count: number, seed: number, oddness: number): Float32Array {
  const { data } = fill("images", String(seed), [count], -4, 4);
  const dice = fill("odd", String(seed), [count], 0, 1).data;
  return Float32Array.from(data, (value, at) =>
    dice[at]! < oddness ? specials[Math.floor((dice[at]! / oddness) * specials.length)]! : value,
  );
}

/** Images of some size and content, in quads with and without a border. */
export function someImages(): fc.Arbitrary<Images> {
  return fc.tuple(sizes, content).chain(([size, { seed, oddness }]) => {
    const { images, channels, height, width } = size;
    const data = numbers(images * channels * height * width, seed, oddness);
    return quadsOfSize(channels, height, width).map((layout): Images => ({ layout, images, data }));
  });
}

const side = fc.integer({ min: 0, max: 2 });
const borders = fc.oneof(fc.constant(NO_BORDER), fc.tuple(side, side, side, side));

/** A layout in quads, with and without a border. */
export function quadsOfSize(channels: number, height: number, width: number): fc.Arbitrary<ImageLayout> {
  return borders.map((border) => ({ order: "quads", channels, height, width, border }));
}

export const sizes: fc.Arbitrary<{ images: number; channels: number; height: number; width: number }> = fc.record({
  images: fc.integer({ min: 1, max: 3 }),
  channels: fc.integer({ min: 1, max: 13 }),
  height: fc.integer({ min: 1, max: 12 }),
  width: fc.integer({ min: 1, max: 12 }),
});

/** Where numbers come from, and how many of them are NaN or infinite. */
export const content: fc.Arbitrary<{ seed: number; oddness: number }> = fc.record({
  seed: fc.nat(),
  oddness: fc.constantFrom(0, 0, 0.02, 0.3),
});
