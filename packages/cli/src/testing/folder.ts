import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** A folder for the tests of one file: created before the first, removed after the last. */
export function temporaryFolder(): { readonly path: string; in(name: string): string } {
  let path = "";
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), "residual-cli-"));
  });
  afterAll(() => rm(path, { recursive: true }));
  return {
    get path() {
      return path;
    },
    in: (name) => join(path, name),
  };
}
