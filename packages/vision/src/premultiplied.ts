/**
 * `[n, 4]` RGBA whose colours a decoder divided by alpha, rounding down, to `[n, 3]` RGB divided as Pillow does it:
 * `min(255, ⌊v · 255 / a⌋)` of the high bytes, and 0 where alpha is 0.
 *
 * The decoder's quotient is `⌊v · most / a⌋` or, by a rounding of floating point, one less; as `a <= most`, no two
 * values of v have the same, and `⌈quotient · a / most⌉` is v again. Source: Pillow, src/libImaging/Unpack.c,
 * unpackRGBa and unpackRGBa16L.
 */
export function rgbOfPremultiplied(rgba: Uint8Array | Uint16Array): Uint8Array {
  const [most, shift] = rgba instanceof Uint16Array ? [65535, 8] : [255, 0];
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3]!;
    const divisor = alpha >> shift;
    if (divisor === 0) continue;
    for (let colour = 0; colour < 3; colour++) {
      const multiplied = Math.ceil((rgba[from + colour]! * alpha) / most) >> shift;
      rgb[to + colour] = Math.min(255, Math.floor((multiplied * 255) / divisor));
    }
  }
  return rgb;
}
