import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAtExit } from "./at-exit.ts";
import { ownedPrefix, removeAbandoned } from "./owned-name.ts";

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * A new folder in the system's temporary folder, readable only by the user. Removed when it is disposed, or when the
 * process exits. Removes leftovers of this user's killed processes.
 */
export async function temporaryFolder(use: string): Promise<TemporaryFolder> {
  const parent = tmpdir();
  await removeAbandoned(parent);
  const path = await mkdtemp(join(parent, ownedPrefix(use)));
  const keep = removeAtExit(path);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true });
      keep();
    },
  };
}
