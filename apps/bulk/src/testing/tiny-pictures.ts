import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";

/** Writes pictures of 32 × 32 pixels drawn by a seed, no two alike, as PNG files. */
export async function writeTinyPictures(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const draw = seeded(19);
  for (let at = 0; at < count; at++) {
    const pixels = Buffer.from(Array.from({ length: 32 * 32 * 3 }, () => draw() & 255));
    await writeFile(join(folder, `${String(at).padStart(6, "0")}.png`), png(32, 32, pixels));
  }
}

/** Whole numbers below 2³², by the generator mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** An RGB picture of 8 bits, without filters. */
function png(width: number, height: number, pixels: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // bits, colour type RGB
  const row = width * 3;
  const rows = Array.from({ length: height }, (_, y) => [Buffer.of(0), pixels.subarray(y * row, (y + 1) * row)]).flat();
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const body = [chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(rows))), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([signature, ...body]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
