import { expect, it } from "vitest";
import { readDamaged } from "../testing/damage.ts";
import { damageHdf5, damageKeras } from "../testing/damage-hdf5.ts";

it.each([
  ["HDF5", damageHdf5],
  ["Keras", damageKeras],
])(
  "reads or refuses 1,500 damaged files of %s: never another error, a wrong size or a large allocation",
  async (kind, damage) => {
    const counts = await readDamaged(damage, 1500, kind);
    expect(counts.WeightsError).toBe(0);
    for (const outcome of ["read", "FormatError"] as const) expect(counts[outcome]).toBeGreaterThan(100);
    expect(counts.UnsupportedError).toBeGreaterThan(5);
  },
);
