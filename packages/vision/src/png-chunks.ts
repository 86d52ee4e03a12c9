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

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** Source: the PNG specification, annex D. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
