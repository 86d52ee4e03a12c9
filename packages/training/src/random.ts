import { hashU32 } from "@residual/core";

/** A source of pseudo-random numbers. */
export interface Random {
  /** A number in [0, 1), a multiple of 2⁻³². */
  next(): number;
}

/** The purposes of random numbers: the same keys give each purpose other numbers. */
export const purposes = { split: 1, order: 2, picture: 3, mix: 4, weights: 5 } as const;

/**
 * Numbers that depend only on the keys, whole numbers each: a picture's augmentation by (seed, epoch, index) is the
 * same whichever thread makes it, and whenever.
 */
export function randomOf(seed: number, purpose: keyof typeof purposes, ...keys: readonly number[]): Random {
  const hash = [purposes[purpose], ...keys].reduce((previous, key) => hashU32(previous, key), hashU32(HASH, seed));
  let count = 0;
  return { next: () => hashU32(hash, count++) * 2 ** -32 };
}

/** Any number: it keeps a seed of 0 from starting with the hash of 0, which is 0. */
const HASH = 0x7265_7364;

/** A whole number from 0 to `count` − 1. */
export function below(random: Random, count: number): number {
  return Math.floor(random.next() * count);
}

/** A number in [low, high). */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.next();
}

/** A number of the standard normal distribution. Source: Box and Muller 1958. */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next())); // 1 − x is never 0
  return radius * Math.cos(2 * Math.PI * random.next());
}

/** A number of the distribution Beta(alpha, alpha), from two of Gamma(alpha). */
export function beta(random: Random, alpha: number): number {
  const a = gamma(random, alpha);
  const b = gamma(random, alpha);
  return a + b === 0 ? 0.5 : a / (a + b); // for a tiny alpha both may round to 0
}

/** Source: Marsaglia and Tsang 2000; for shapes below 1 their note in section 6. */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** The whole numbers below `count`, each once, in random order. Source: Fisher and Yates. */
export function permutation(random: Random, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = below(random, last + 1);
    const kept = order[last]!;
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
