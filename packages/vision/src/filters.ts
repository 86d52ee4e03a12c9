import type { Interpolation } from "@residual/core";

/** A resampling kernel. It is 0 beyond `support`, in pixels of the smaller of source and target. */
export interface Filter {
  readonly support: number;
  weight(x: number): number;
}

/** Pillow's filters, by the names Pillow gives them. Source: Pillow 9.4, src/libImaging/Resample.c. */
export const filters = {
  box: { support: 0.5, weight: (x: number) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x: number) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies { readonly [Name in Exclude<Interpolation, "nearest">]: Filter }; // nearest has no kernel

function hamming(x: number): number {
  if (x === 0) return 1;
  return Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x));
}

/** Keys' cubic with a = −0.5, as in Pillow; PyTorch's own interpolate has −0.75 without antialias. */
function bicubic(x: number): number {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * a : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
