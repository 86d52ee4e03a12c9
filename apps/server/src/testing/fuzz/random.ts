/** Whole numbers from 0 to below `end`, the same for the same seed. */
export type Random = (end: number) => number;

/** Mulberry32, by Tommy Ettinger. */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random(items.length)]!;
}

/** Flipped bits, bytes of other values, a part that is cut out, or a cut end. */
export function damaged(random: Random, original: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(original);
  const at = random(bytes.length);
  if (random(4) === 0) return bytes.subarray(0, at);
  if (random(4) === 0) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(64))]);
  for (let left = 1 + random(8); left > 0; left--) bytes[random(bytes.length)] = random(256);
  return bytes;
}
