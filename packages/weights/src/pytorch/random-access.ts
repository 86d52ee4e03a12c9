/** Bytes that are read from any position: a file, a Blob or memory. */
export interface RandomAccess {
  /** In bytes. */
  readonly size: number;
  /** `length` bytes from `position` on. The range lies within the size. */
  read(position: number, length: number): Promise<Uint8Array>;
}

export function inMemory(bytes: Uint8Array): RandomAccess {
  return { size: bytes.length, read: async (position, length) => bytes.subarray(position, position + length) };
}
