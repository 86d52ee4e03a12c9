const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});

/** The CRC-32 checksum of a zip's members. Source: PKWARE's APPNOTE 6.3.10, section 4.4.7. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) value = table[(value ^ bytes[i]!) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}
