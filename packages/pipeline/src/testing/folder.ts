import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** A folder for the tests of one file: made before the first, gone after the last. */
export function temporaryFolder(): { readonly path: string; in(name: string): string } {
  let path = "";
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), "residual-pipeline-"));
  });
  afterAll(() => rm(path, { recursive: true }));
  return {
    get path() {
      return path;
    },
    in: (name) => join(path, name),
  };
}
