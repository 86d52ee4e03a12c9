import { UnsupportedError } from "@residual/core";
import { between, permutation, type Random } from "../random.ts";
import type { Raster } from "./raster.ts";

/** The most change of each property: a factor lies in [1 − change, 1 + change], not below 0. Default 0: no change */
export interface ColourJitter {
  readonly brightness?: number | undefined;
  readonly contrast?: number | undefined;
  readonly saturation?: number | undefined;
  /** The most turn of the hue either way, in whole turns: 0 to 0.5. */
  readonly hue?: number | undefined;
}

type Change = keyof ColourJitter;

/** In the order in which torchvision draws their factors. */
const changes = ["brightness", "contrast", "saturation", "hue"] as const satisfies readonly Change[];

/** Changes and their factors, in the order in which they are applied. */
export type DrawnJitter = readonly (readonly [change: Change, factor: number])[];

/** A random order of the changes, and a factor for each. Source: torchvision, transforms/v2, ColorJitter. */
export function drawJitter(random: Random, jitter: ColourJitter): DrawnJitter {
  const order = permutation(random, changes.length);
  const factors = changes.map((change) => {
    const most = jitter[change] ?? 0;
    if (most === 0) return undefined;
    return change === "hue" ? between(random, -most, most) : between(random, Math.max(0, 1 - most), 1 + most);
  });
  return Array.from(order).flatMap((at) => {
    const factor = factors[at];
    return factor === undefined ? [] : [[changes[at]!, factor] as const];
  });
}

/** The picture with its colours changed. Throws UnsupportedError for numbers other than bytes in RGB. */
export function jittered(raster: Raster, drawn: DrawnJitter): Raster {
  const { width, height, data } = raster;
  if (!(data instanceof Uint8Array) || data.length !== width * height * 3)
    throw new UnsupportedError("colour jitter changes pictures of bytes in RGB, found other numbers; leave it out");
  return { width, height, data: drawn.reduce((pixels, [change, factor]) => adjust[change](pixels, factor), data) };
}

/** As torchvision's functions of the same names on uint8 tensors: in float32, and results lose their fraction. */
const adjust: { readonly [C in Change]: (pixels: Uint8Array, factor: number) => Uint8Array } = {
  brightness: (pixels, factor) => blended(pixels, () => 0, factor),
  contrast(pixels, factor) {
    let sum = 0;
    for (let i = 0; i < pixels.length; i += 3) sum += greyOf(pixels, i);
    const mean = Math.fround(sum / (pixels.length / 3));
    return blended(pixels, () => mean, factor);
  },
  saturation: (pixels, factor) => blended(pixels, (i) => greyOf(pixels, i), factor),
  hue: turned,
};

const round = Math.fround;

/** Each pixel times `factor`, plus (1 − factor) times the value that `other` gives for the pixel. */
function blended(pixels: Uint8Array, other: (index: number) => number, factor: number): Uint8Array {
  const out = new Uint8Array(pixels.length);
  const [share, rest] = [round(factor), round(1 - factor)];
  for (let i = 0; i < pixels.length; i += 3) {
    const added = rest * other(i); // exact in float64: one rounding for product and sum, as fused instructions do
    for (let c = 0; c < 3; c++) out[i + c] = bounded(round(round(pixels[i + c]! * share) + added));
  }
  return out;
}

const bounded = (value: number): number => Math.min(Math.max(value, 0), 255);

/** The brightness of a pixel: a whole number. */
function greyOf(pixels: Uint8Array, i: number): number {
  const red = round(pixels[i]! * round(0.2989));
  const green = round(red + pixels[i + 1]! * round(0.587));
  return Math.floor(round(green + pixels[i + 2]! * round(0.114)));
}

/** The hue turned by `factor` of a whole turn. */
function turned(pixels: Uint8Array, factor: number): Uint8Array {
  const out = new Uint8Array(pixels.length);
  const unit = round(1 / 255);
  for (let i = 0; i < pixels.length; i += 3) {
    const [r, g, b] = [round(pixels[i]! * unit), round(pixels[i + 1]! * unit), round(pixels[i + 2]! * unit)];
    const most = Math.max(r, g, b);
    const range = round(most - Math.min(r, g, b));
    const saturation = range === 0 ? 0 : round(range / most);
    const hue = round(hueOf(r, g, b, most, range === 0 ? 1 : range) + round(factor));
    const rgb = colourOf(round(hue - Math.floor(hue)), saturation, most);
    for (let c = 0; c < 3; c++) out[i + c] = round(rgb[c]! * round(255.999));
  }
  return out;
}

/** In turns, [0, 1). `range` is the largest less the least, `most` the largest. */
function hueOf(r: number, g: number, b: number, most: number, range: number): number {
  const below = (value: number) => round(round(most - value) / range);
  const [fromRed, fromGreen, fromBlue] = [below(r), below(g), below(b)];
  const sixths =
    most === r
      ? round(fromBlue - fromGreen)
      : most === g
        ? round(round(fromRed + 2) - fromBlue)
        : round(round(fromGreen + 4) - fromRed);
  return round(round(round(sixths * round(1 / 6)) + 1) % 1);
}

type Colour = readonly [red: number, green: number, blue: number];

function colourOf(hue: number, saturation: number, value: number): Colour {
  const sixths = round(hue * 6);
  const sector = Math.floor(sixths);
  const part = round(saturation * round(sixths - sector));
  const rest = round(1 - saturation);
  const limited = (share: number) => Math.min(Math.max(round(share * value), 0), 1);
  const [p, q, t] = [limited(rest), limited(round(1 - part)), limited(round(part + rest))];
  const colours: readonly Colour[] = [
    [value, t, p],
    [q, value, p],
    [p, value, t],
    [p, q, value],
    [t, p, value],
    [value, p, q],
  ];
  return colours[sector % 6]!;
}
