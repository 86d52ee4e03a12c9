/**
 * Bytes of one element of each dtype that a safetensors file may name. Those of less than a byte (F4, F6) are left out:
 * no ResNet is stored in them. Source: `enum Dtype` of safetensors/src/tensor.rs.
 */
export const byteSizes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
} as const;

export type StoredDType = keyof typeof byteSizes;

export function isStoredDType(name: string): name is StoredDType {
  return Object.hasOwn(byteSizes, name);
}
