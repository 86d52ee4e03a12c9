/** Concatenates pieces. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** A safetensors file of this header and data. `claimed` overrides the header's length in the file. */
export function fileOf(header: string | Uint8Array, data: Uint8Array, claimed?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  return join([prefix, text, data]);
}
