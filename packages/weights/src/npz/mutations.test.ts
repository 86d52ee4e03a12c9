import { expect, it } from "vitest";
import { readDamaged } from "../testing/damage.ts";
import { damageNpz, npz } from "../testing/damage-npz.ts";

it("reads the original", async () => {
  expect(await readDamaged(() => npz, 1, "npz")).toMatchObject({ read: 1 });
});

it("reads or refuses 3,000 damaged archives: never another error, a wrong size or a large allocation", async () => {
  const counts = await readDamaged(damageNpz, 3000, "npz");
  expect(counts.WeightsError).toBe(0);
  for (const kind of ["read", "FormatError", "UnsupportedError"] as const) expect(counts[kind]).toBeGreaterThan(10);
});
