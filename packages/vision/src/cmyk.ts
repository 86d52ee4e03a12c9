/**
 * `[n, 4]` CMYK, bytes whatever holds them -> `[n, 3]` RGB, 255 being full ink: `(1 − K) − C·(1 − K)` and so on, in
 * Pillow's integer arithmetic.
 * Source: Pillow 9.4, src/libImaging/Convert.c, cmyk2rgb.
 */
export function rgbOfCmyk(cmyk: Uint8Array | Uint16Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const light = 255 - cmyk[from + 3]!;
    for (let ink = 0; ink < 3; ink++) rgb[to + ink] = light - times255(cmyk[from + ink]!, light);
  }
  return rgb;
}

/** `a · b / 255`, rounded, without a division. Never above `b`, so that no clip is needed after it. */
function times255(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}
