import { FormatError } from "@residual/core";
import { ByteReader } from "./byte-reader.ts";

interface Chunk {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * The chunks of a PNG, up to IEND. Throws FormatError for a wrong checksum of a chunk. Source: the PNG specification,
 * section 5.
 */
export function* pngChunks(bytes: Uint8Array): Generator<Chunk, undefined> {
  const reader = new ByteReader(bytes, { at: 8, littleEndian: false });
  for (let kind = ""; kind !== "IEND"; ) {
    const length = reader.u32();
    const chunk = reader.take(4 + length);
    kind = new ByteReader(chunk).text(4);
    if (reader.u32() !== crc32(chunk)) throw new FormatError(`found a wrong checksum of the chunk ${kind}`);
    yield { name: kind, data: chunk.subarray(4) };
  }
  return undefined;
}

/** Table k, at 256k: the checksum of a byte that k zero bytes follow, so that four bytes are read at a time. */
const crcTables = new Uint32Array(4 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let table = 0; table < 4; table++) {
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    crcTables[table * 256 + byte] = crc;
  }
}

/** Source: the PNG specification, annex D. */
function crc32(bytes: Uint8Array): number {
  let [crc, at] = [0xffffffff, 0];
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      crcTables[768 + (crc & 0xff)]! ^
      crcTables[512 + ((crc >>> 8) & 0xff)]! ^
      crcTables[256 + ((crc >>> 16) & 0xff)]! ^
      crcTables[crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = crcTables[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
