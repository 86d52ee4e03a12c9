import { type DType, FormatError, formatShape, isTensor, type NamedSource, sizeOf, type Tensor } from "@residual/core";
import { isWellFormed, quote } from "./json-reader.ts";

/** Values by name, in the file's order. */
export type Named<T> = ReadonlyMap<string, T> | Readonly<Record<string, T>>;
export type Metadata = Readonly<Record<string, string>>;

/** Bytes per number of each dtype. */
const widths = { float32: 4, float64: 8, int32: 4, int64: 8, uint8: 1 } as const satisfies Record<DType, number>;

/**
 * The tensors to write, with their names. Throws FormatError for a tensor whose data do not match its dtype and shape,
 * and for a name that UTF-8 cannot encode.
 */
export function checkedTensors<T extends NamedSource>(tensors: Named<T>): readonly [string, T][] {
  const named: [string, T][] = isMap(tensors) ? [...tensors] : Object.entries(tensors);
  for (const [name, source] of named) checkSource(name, source);
  return named;
}

/** A type guard, because `instanceof` alone would narrow to Map<any, any>. */
function isMap<T>(tensors: Named<T>): tensors is ReadonlyMap<string, T> {
  return tensors instanceof Map;
}

/** The size of a tensor's numbers in a file, in bytes. */
export function byteLength({ dtype, shape }: NamedSource): number {
  return sizeOf(shape) * widths[dtype];
}

export function tensorBytes({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Metadata as JSON. Throws FormatError for values that are not text, and for text that UTF-8 cannot encode. */
export function metadataText(metadata: Metadata): string {
  for (const [key, value] of Object.entries<unknown>(metadata)) {
    checkName(key, "the metadata key");
    if (typeof value !== "string")
      throw new FormatError(`metadata ${quote(key)}: found ${typeof value}, expected a string`);
    checkName(value, "the metadata value");
  }
  return JSON.stringify(metadata);
}

function checkSource(name: string, source: NamedSource): void {
  checkName(name, "the tensor name");
  const { dtype, shape } = source;
  const expected = byteLength(source);
  if (!isTensor(source) || source.data.byteLength === expected) return;
  const found = `holds ${source.data.byteLength} bytes (a detached buffer holds none)`;
  throw new FormatError(`tensor ${quote(name)} ${found}, expected ${expected} for ${dtype} ${formatShape(shape)}`);
}

function checkName(text: string, what: string): void {
  if (isWellFormed(text)) return;
  throw new FormatError(`${what} ${quote(text)} holds half a surrogate pair, which UTF-8 cannot; rename it`);
}
