import type { StoredDType } from "./dtypes.ts";

/** A tensor of a file. `begin` and `end` count bytes from the start of the data section. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}
