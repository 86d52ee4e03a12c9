import { crc32, deflateSync } from "node:zlib";

/** PNG's colour types, with their channels. Source: the PNG specification, 11.2.2. */
const kinds = { grey: [0, 1], rgb: [2, 3], greyAlpha: [4, 2], rgba: [6, 4] } as const;

export interface PngOptions {
  readonly width: number;
  readonly height: number;
  readonly kind: keyof typeof kinds;
  readonly depth: 8 | 16;
  /** Samples as they stand in the file: rows without their filter byte, 16-bit ones high byte first. */
  readonly samples: Uint8Array;
  /** An ICC colour profile. */
  readonly profile?: Uint8Array;
}

/** A PNG file. With too few `samples` its header claims more than there is. */
export function png({ width, height, kind, depth, samples, profile }: PngOptions): Uint8Array {
  const [type, channels] = kinds[kind];
  const rowBytes = (width * channels * depth) / 8;
  const rows: Buffer[] = [];
  for (let at = 0; at < samples.length; at += rowBytes) {
    rows.push(Buffer.from([0]), Buffer.from(samples.subarray(at, at + rowBytes)));
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type], 8);
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const body = chunk("IDAT", deflateSync(Buffer.concat(rows)));
  const color = profile ? chunk("iCCP", Buffer.concat([Buffer.from("p\0\0"), deflateSync(profile)])) : Buffer.alloc(0);
  return Buffer.concat([signature, chunk("IHDR", header), color, body, chunk("IEND", Buffer.alloc(0))]);
}

/** A chunk of a PNG, with its length and checksum. */
export function chunk(name: string, data: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
