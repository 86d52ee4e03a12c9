import { type Algorithm, type BackendDescription, UnsupportedError } from "@residual/core";
import type { WinogradName } from "./winograd.ts";

/**
 * The rounding properties of a backend's arithmetic.
 *
 * `unit` is the unit roundoff u of products and sums: 2⁻²⁴ for float32. `stored` is the unit roundoff of values between
 * nodes, or 0 if their format is no narrower. `smallest` is the smallest number that is certain to be kept. A backend
 * may answer 0 below `smallest` (WGSL and many GPUs flush subnormals), and answers infinity beyond `largest`.
 */
export interface Arithmetic {
  readonly name: string;
  readonly unit: number;
  readonly stored: number;
  readonly smallest: number;
  readonly largest: number;
  /**
   * The number of roundings of a convolution's term to the stored format before the sum: the roundings of its product
   * and of a sum of four products.
   */
  readonly products: number;
  /** The algorithms that convolutions may use besides the direct sum. The bound allows the error of each. */
  readonly winograd: readonly WinogradName[];
  /** Whether convolutions and linear layers quantize their inputs and weights to 8 bits. */
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
  // A product and three sums. WGSL allows each an error of a whole step.
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
 * γₙ = n·u / (1 − n·u): the largest relative error of n roundings in a row (Higham 2002, lemma 3.1). n need not be
 * whole: an error of 2.5u is 2.5 roundings. Throws UnsupportedError if n·u ≥ 1, where no bound holds.
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
