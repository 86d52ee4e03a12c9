import { type Algorithm, type BackendDescription, UnsupportedError } from "@residual/core";
import type { WinogradName } from "./winograd.ts";

/**
 * How a backend computes, as far as its rounding errors go.
 *
 * `unit` is the unit roundoff u of products and sums: 2⁻²⁴ for float32. `stored` is that of what is kept between nodes,
 * 0 where that is no narrower. `smallest` is the smallest number that it can be counted on to keep: below, a backend
 * may answer 0 (WGSL and many GPUs flush subnormals). Beyond `largest` it answers infinity.
 */
export interface Arithmetic {
  readonly name: string;
  readonly unit: number;
  readonly stored: number;
  readonly smallest: number;
  readonly largest: number;
  /**
   * Roundings of a convolution's term to what is stored before it is summed: its product, and the sums of four such.
   */
  readonly products: number;
  /** Convolutions may be computed so; the errors of each, and of the plain way, are allowed. */
  readonly winograd: readonly WinogradName[];
  /** Whether convolutions and linear layers take their inputs and weights in 8 bits. */
  readonly int8: boolean;
}

export const float32: Arithmetic = {
  name: "float32",
  unit: 2 ** -24,
  stored: 0,
  smallest: 2 ** -126,
  largest: 3.4028234663852886e38,
  products: 0,
  winograd: [],
  int8: false,
};

const half = { stored: 2 ** -11, smallest: 2 ** -14, largest: 65504 } as const;

/** The effect of each algorithm on the arithmetic. */
const changes: { readonly [Name in Algorithm]: Partial<Arithmetic> } = {
  "winograd-f2": { winograd: ["winograd-f2"] },
  "winograd-f4": { winograd: ["winograd-f4"] },
  "float16-storage": half,
  // A product and three sums, each off by a whole step where WGSL lets it be.
  "float16-products": { ...half, products: 8 },
  float16: { ...half, unit: 2 ** -11 },
  int8: { int8: true },
};

/** The parameters of the bounds, from a backend's description. */
export function arithmeticOf({ algorithms = [] }: Pick<BackendDescription, "algorithms">): Arithmetic {
  const unknown = algorithms.find((each) => !(each in changes));
  if (unknown !== undefined) {
    const known = Object.keys(changes).join(", ");
    throw new UnsupportedError(
      `conformance has no bound for the algorithm ${JSON.stringify(unknown)}; it knows ${known}`,
    );
  }
  const all = algorithms.map((each) => changes[each]);
  const winograd = all.flatMap((each) => each.winograd ?? []);
  return Object.assign({}, float32, ...all, { name: ["float32", ...algorithms].join(", "), winograd }) as Arithmetic;
}

/**
 * γₙ = n·u / (1 − n·u): what n roundings in a row amount to at most (Higham 2002, lemma 3.1). n may be any number: an
 * error of 2.5u is 2.5 roundings. Throws UnsupportedError from n·u = 1 on, where no bound holds.
 */
export function gamma(n: number, { name, unit }: Pick<Arithmetic, "name" | "unit">): number {
  if (n * unit >= 1) {
    throw new UnsupportedError(
      `${name}: ${n} roundings of ${unit} have no bound; sum in a wider format, and say float16-storage`,
    );
  }
  return (n * unit) / (1 - n * unit);
}

/**
 * n consecutive roundings, plus `stored` roundings to the stored precision: 1 + θ is within (1 + γₙ)·(1 + uₛ)^stored.
 */
export function growth(n: number, stored: number, arithmetic: Arithmetic): number {
  const computed = gamma(n, arithmetic);
  return arithmetic.stored === 0 ? computed : (1 + computed) * (1 + arithmetic.stored) ** stored - 1;
}
