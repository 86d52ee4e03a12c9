import { readlinkSync } from "node:fs";
import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAtExit } from "./at-exit.ts";

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * A new folder in the system's temporary one, which the user alone can read. It goes when it is disposed, or with the
 * process; what a killed process left for the same use goes now.
 */
export async function temporaryFolder(use: string): Promise<TemporaryFolder> {
  await removeLeftovers(use);
  const path = await mkdtemp(join(tmpdir(), `residual-${use}-${process.pid}${NAMESPACE}-`));
  const keep = removeAtExit(path);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true });
      keep();
    },
  };
}

/** Containers may share the temporary folder, and each counts its processes by itself. */
const NAMESPACE = namespaceOfProcesses();

function namespaceOfProcesses(): string {
  try {
    return `.${/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0]}`;
  } catch {
    return ""; // not on Linux
  }
}

async function removeLeftovers(use: string): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names) {
    const [, given, pid, namespace] = /^residual-(.+)-(\d+)(\.\d+)?-\w+$/.exec(name) ?? [];
    if (given !== use || (namespace ?? "") !== NAMESPACE || isAlive(Number(pid))) continue;
    const path = join(tmpdir(), name);
    const found = await lstat(path).catch(() => undefined);
    if (!found?.isDirectory() || found.uid !== process.getuid?.()) continue;
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, of another user
  }
}
