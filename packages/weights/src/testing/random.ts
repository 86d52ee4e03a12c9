import { fnv1a32, hashU32 } from "@residual/core";

/** A seeded generator of whole numbers: each call returns a number in [0, below). */
export type Random = (below: number) => number;

export function randomFrom(seed: string): Random {
  const start = fnv1a32(seed);
  let count = 0;
  return (below) => Math.floor((hashU32(start, count++) / 2 ** 32) * below);
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}
