/** The first pickle of a file in the legacy format, the magic number: protocol 2, LONG1 of ten bytes, STOP. */
const START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/** Whether a file begins like the legacy format. */
export function isLegacy(bytes: Uint8Array): boolean {
  return START.every((byte, i) => bytes[i] === byte);
}
