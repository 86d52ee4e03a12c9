import type { Fields } from "./structures.ts";

/** The HDF5 library has the same limit. */
const MOST_AXES = 32;

/**
 * The shape of a dataset or an attribute; `[]` stands for one element. Source: HDF5 File Format Specification 3.0,
 * IV.A.2.b.
 */
export function readDataspace(fields: Fields): readonly number[] {
  const version = fields.u8();
  const rank = fields.u8();
  if (rank > MOST_AXES) fields.refuse(`a dataspace has ${rank} axes, expected at most ${MOST_AXES}`);
  if (version === 1) fields.skip(6);
  else if (version !== 2) fields.refuse(`a dataspace is of version ${version}, expected 1 or 2`);
  else {
    fields.skip(1);
    const isNull = fields.u8() === 2;
    if (isNull) return [0];
  }
  return Array.from({ length: rank }, () => fields.u64());
}
