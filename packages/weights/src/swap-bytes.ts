/** A copy of numbers with `size` bytes each, in which the byte order of each number is reversed. */
export function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  const swapped = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += size)
    for (let i = 0; i < size; i++) swapped[at + i] = bytes[at + size - 1 - i]!;
  return swapped;
}
