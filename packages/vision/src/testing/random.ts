import { hashU32 } from "@residual/core";

/** Whole numbers from 0 to below `limit`, the same ones for the same seed. */
export function seeded(seed: number): (limit: number) => number {
  let count = 0;
  return (limit) => hashU32(seed, count++) % limit;
}

export function randomBytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => hashU32(seed, i) >>> 24);
}
