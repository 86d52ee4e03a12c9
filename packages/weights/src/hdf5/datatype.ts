import type { StoredDType } from "../dtypes.ts";
import type { Fields } from "./structures.ts";

/** The type of the elements of a dataset or an attribute. */
export type Datatype =
  | { readonly kind: "number"; readonly size: number; readonly stored: StoredDType; readonly isBigEndian: boolean }
  /** Text of `size` bytes, or text of variable length in the global heap. */
  | { readonly kind: "text"; readonly size: number; readonly isInHeap: boolean }
  /** Bytes of an unspecified meaning. */
  | { readonly kind: "opaque"; readonly size: number }
  | { readonly kind: "other"; readonly size: number };

/** Classes of datatypes in the specification. */
const FIXED_POINT = 0;
const FLOATING_POINT = 1;
const TEXT = 3;
const OPAQUE = 5;
const ENUMERATION = 8;
const VARIABLE_LENGTH = 9;

/** Dtypes by size in bytes, exponent bits, mantissa bits and exponent bias. */
const floats: Readonly<Record<string, StoredDType>> = {
  "2 5 10 15": "F16",
  "2 8 7 127": "BF16",
  "4 8 23 127": "F32",
  "8 11 52 1023": "F64",
};

const integers: Readonly<Record<string, StoredDType>> = {
  "1 true": "I8",
  "2 true": "I16",
  "4 true": "I32",
  "8 true": "I64",
  "1 false": "U8",
  "2 false": "U16",
  "4 false": "U32",
  "8 false": "U64",
};

/** Source: HDF5 File Format Specification 3.0, IV.A.2.d. */
export function readDatatype(fields: Fields): Datatype {
  const kind = fields.u8() & 15;
  const [flags] = [fields.u8(), fields.u8(), fields.u8()] as const;
  const size = fields.u32();
  const isBigEndian = (flags & 1) === 1;
  if (kind === FIXED_POINT) {
    const stored = integers[`${size} ${(flags & 8) !== 0}`];
    const isWhole = fields.u16() === 0 && fields.u16() === 8 * size;
    return stored && isWhole ? { kind: "number", size, stored, isBigEndian } : { kind: "other", size };
  }
  if (kind === FLOATING_POINT) {
    fields.skip(4);
    const [exponentAt, exponent, mantissaAt, mantissa] = [fields.u8(), fields.u8(), fields.u8(), fields.u8()] as const;
    const stored = floats[`${size} ${exponent} ${mantissa} ${fields.u32()}`];
    const isUsual = mantissaAt === 0 && exponentAt === mantissa && (flags & 64) === 0;
    return stored && isUsual ? { kind: "number", size, stored, isBigEndian } : { kind: "other", size };
  }
  if (kind === TEXT) return { kind: "text", size, isInHeap: false };
  if (kind === VARIABLE_LENGTH)
    return (flags & 15) === 1 ? { kind: "text", size, isInHeap: true } : { kind: "other", size };
  if (kind === OPAQUE) return { kind: "opaque", size };
  // h5py stores bool as an enumeration of one byte
  if (kind === ENUMERATION && size === 1) return { kind: "number", size, stored: "BOOL", isBigEndian: false };
  return { kind: "other", size };
}
