import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and its parents if they are missing. `mkdir({ recursive: true })` of Node never ends on a file system
 * that says ENOENT although the parent exists, such as /proc. `mode` is for new folders, less the umask; default 0o777.
 * Throws the file system's error if it refuses.
 */
export function makeFolder(path: string, mode?: number): Promise<void> {
  return make(resolve(path), mode);
}

async function make(path: string, mode: number | undefined): Promise<void> {
  const error = await refusal(path, mode);
  if (!error) return;
  const parent = dirname(path);
  if (error.code !== "ENOENT" || parent === path) throw error;
  if (!(await isFolder(parent))) await make(parent, mode);
  const again = await refusal(path, mode); // once more: another process may have made the parent in between
  if (again) throw again;
}

/** The error of `mkdir`. Undefined if the folder exists now: another process may have made it. */
async function refusal(path: string, mode: number | undefined): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, { mode });
    return undefined;
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST" && (await isFolder(path));
    return isThere ? undefined : (error as NodeJS.ErrnoException);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
