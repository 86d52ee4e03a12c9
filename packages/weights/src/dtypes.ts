/**
 * Bytes per element of each dtype that safetensors files may have. Dtypes smaller than a byte (F4, F6) are left out: no
 * ResNet is stored in them. Source: `enum Dtype` of safetensors/src/tensor.rs.
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

/** PyTorch's name of each dtype. */
export const dtypeNames: { readonly [D in StoredDType]: string } = {
  BOOL: "bool",
  U8: "uint8",
  I8: "int8",
  F8_E5M2: "float8_e5m2",
  F8_E4M3: "float8_e4m3fn",
  F8_E8M0: "float8_e8m0fnu",
  U16: "uint16",
  I16: "int16",
  F16: "float16",
  BF16: "bfloat16",
  U32: "uint32",
  I32: "int32",
  F32: "float32",
  U64: "uint64",
  I64: "int64",
  F64: "float64",
  C64: "complex64",
};

export type StoredDType = keyof typeof byteSizes;

export function isStoredDType(name: string): name is StoredDType {
  return Object.hasOwn(byteSizes, name);
}
