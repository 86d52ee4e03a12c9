import { expect, it } from "vitest";
import { readDamaged } from "../testing/damage.ts";
import { damageOnnx, onnxFiles } from "../testing/damage-onnx.ts";

it.each(onnxFiles)("reads the files that are damaged below", async (file) => {
  expect(await readDamaged(() => file, 1, "onnx")).toMatchObject({ read: 1 });
});

it("reads or refuses 2,000 damaged models: never another error, a wrong size or a large allocation", async () => {
  const counts = await readDamaged(damageOnnx, 2000, "onnx");
  expect(counts.read + counts.FormatError + counts.UnsupportedError).toBe(2000);
  for (const outcome of ["read", "FormatError", "UnsupportedError"] as const)
    expect(counts[outcome]).toBeGreaterThan(50);
});
