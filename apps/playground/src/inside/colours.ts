/**
 * The one colour language of this room: nothing is the page's own surface, positive numbers are orange, negative ones
 * blue, and larger magnitudes stand out more. Interpolated in OKLab (Björn Ottosson 2020), so that equal steps look
 * equal.
 */
export type Palette = "light" | "dark";

type Lab = readonly [lightness: number, a: number, b: number];

/** OKLCH: lightness, chroma, hue in degrees. */
const lab = (lightness: number, chroma: number, hue: number): Lab => [
  lightness,
  chroma * Math.cos((hue * Math.PI) / 180),
  chroma * Math.sin((hue * Math.PI) / 180),
];

/** Stops from the largest negative number by way of 0 to the largest positive one. */
const stops: { readonly [Name in Palette]: readonly Lab[] } = {
  light: [lab(0.33, 0.11, 262), lab(0.55, 0.15, 255), lab(0.965, 0.006, 85), lab(0.68, 0.18, 48), lab(0.36, 0.12, 34)],
  dark: [lab(0.9, 0.07, 225), lab(0.58, 0.15, 255), lab(0.235, 0.006, 255), lab(0.62, 0.17, 42), lab(0.93, 0.1, 85)],
};

const LEVELS = 511;

/** 511 colours, RGB: from −1 by way of 0, at 255, to 1. */
function coloursOf(palette: Palette): Uint8ClampedArray {
  const known = tables.get(palette);
  if (known) return known;
  const table = new Uint8ClampedArray(3 * LEVELS);
  for (let level = 0; level < LEVELS; level++) table.set(rgbOf(mixed(stops[palette], level / (LEVELS - 1))), 3 * level);
  tables.set(palette, table);
  return table;
}
const tables = new Map<Palette, Uint8ClampedArray>();

function mixed(all: readonly Lab[], share: number): Lab {
  const place = share * (all.length - 1);
  const [at, along] = [
    Math.min(Math.floor(place), all.length - 2),
    place - Math.min(Math.floor(place), all.length - 2),
  ];
  const [from, to] = [all[at]!, all[at + 1]!];
  const mix = (axis: 0 | 1 | 2) => from[axis] + (to[axis] - from[axis]) * along;
  return [mix(0), mix(1), mix(2)];
}

/** OKLab to sRGB, 0 to 255. Source: Ottosson, "A perceptual color space for image processing". */
function rgbOf([lightness, a, b]: Lab): readonly [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const encoded = (linear: number) =>
    255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055);
  return [
    encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encoded(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** The place of a number's colour in the table; `largest` has the last colour. */
function levelOf(value: number, largest: number): number {
  const share = largest > 0 ? value / largest : 0;
  return Math.round(255 * Math.min(Math.max(share, -1), 1)) + 255;
}

/** A number's colour as CSS. */
export function cssColour(value: number, largest: number, palette: Palette): string {
  const at = 3 * levelOf(value, largest);
  const [r, g, b] = coloursOf(palette).subarray(at, at + 3);
  return `rgb(${r} ${g} ${b})`;
}

/** The same for bars, which have to stand out from the page even where their number is small. */
export function barColour(value: number, largest: number, palette: Palette): string {
  return cssColour((value < 0 ? -1 : 1) * Math.max(Math.abs(value), 0.4 * largest), largest, palette);
}

/** Black or white: whichever can be read on a number's colour. */
export function inkOn(value: number, largest: number, palette: Palette): string {
  const at = 3 * levelOf(value, largest);
  const [r, g, b] = coloursOf(palette).subarray(at, at + 3);
  const linear = (byte: number) => ((byte / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = 0.2126 * linear(r!) + 0.7152 * linear(g!) + 0.0722 * linear(b!);
  return luminance > 0.18 ? "#000" : "#fff";
}

/** Numbers as pixels, RGBA. NaN is transparent. */
export function paint(numbers: Float32Array, largest: number, palette: Palette, into: Uint8ClampedArray): void {
  const table = coloursOf(palette);
  for (let i = 0; i < numbers.length; i++) {
    const at = 3 * levelOf(numbers[i]!, largest);
    into[4 * i] = table[at]!;
    into[4 * i + 1] = table[at + 1]!;
    into[4 * i + 2] = table[at + 2]!;
    into[4 * i + 3] = Number.isNaN(numbers[i]!) ? 0 : 255;
  }
}
