import { expect, it } from "vitest";
import { readDamaged } from "../testing/damage.ts";
import { damageTfjs, readTfjs, tfjsFiles } from "../testing/damage-tfjs.ts";

it.each(tfjsFiles)("reads the files that are damaged below", async (file) => {
  const whole = file.length % 4 === 0 ? new Uint8Array([...file, 0x20]) : file;
  expect(await readDamaged(() => whole, 1, "tfjs", readTfjs)).toMatchObject({ read: 1 });
});

it("reads or refuses 2,000 damaged models: never another error, a wrong size or a large allocation", async () => {
  const counts = await readDamaged(damageTfjs, 2000, "tfjs", readTfjs);
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(4);
});
