import { crc32, deflateSync } from "node:zlib";

/** An RGB picture as a PNG file. With less `data` than its sides ask for, its header claims more than there is. */
export function png(width: number, height: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const rows: Buffer[] = [];
  for (let at = 0; at < data.length; at += width * 3) {
    rows.push(Buffer.from([0]), Buffer.from(data.subarray(at, at + width * 3)));
  }
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const body = chunk("IDAT", deflateSync(Buffer.concat(rows)));
  return Buffer.concat([signature, chunk("IHDR", header), body, chunk("IEND", Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
