import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder, and those that lead to it, where they are not there yet. `mkdir({ recursive: true })` of Node loops
 * without end where a file system says ENOENT though the folder around is there, as /proc does. `mode` is that of
 * folders that are made, 0o777 where not given, less the umask. Throws the error of the file system where that refuses.
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
  const again = await refusal(path, mode); // once: somebody may have made the parent between the two looks
  if (again) throw again;
}

/** Undefined once the folder is there, whoever made it. */
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
