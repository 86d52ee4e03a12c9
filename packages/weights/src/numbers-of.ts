import { isTensor, type NamedSource } from "@residual/core";
import { type LazyPiece, pieceOf } from "@residual/kit/files";
import { tensorBytes } from "./named-tensors.ts";

/** The numbers of a tensor as bytes, little-endian and row-major. Lazy sources are read row by row. */
export function numbersOf(source: NamedSource): Uint8Array | LazyPiece {
  return isTensor(source) ? tensorBytes(source) : pieceOf(source);
}
