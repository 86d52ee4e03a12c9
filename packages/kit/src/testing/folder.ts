import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";

/** The photos of the repository. */
export const photos: string = fileURLToPath(new URL("../../../../photos", import.meta.url));

/** A folder for the tests of one file: created before the first, removed after the last. */
export function temporaryFolder(): { in(...names: readonly string[]): string } {
  let path = "";
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), "residual-test-"));
  });
  afterAll(() => rm(path, { recursive: true }));
  return { in: (...names) => join(path, ...names) };
}
