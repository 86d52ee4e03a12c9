import { lstat, mkdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FormatError } from "@residual/core";
import { removeAtExit } from "./at-exit.ts";
import { refusedAs } from "./atomic.ts";
import { ownedName, removeAbandoned } from "./owned-name.ts";

/**
 * Makes a folder that appears whole or not at all: `fill` writes into a new folder next to `path`, which is then
 * renamed. An existing folder at `path` is replaced; with "keep" it stays, since another process was first. For a
 * symbolic link to a folder, the link's target is replaced.
 *
 * Throws FormatError if the file system refuses, or if `path` is a file or a symbolic link to no folder, and errors of
 * `fill`. After an error the old folder is still in place.
 */
export async function writeFolderAtomic<T>(
  path: string,
  fill: (folder: string) => Promise<T>,
  ifTaken: "replace" | "keep" = "replace",
): Promise<T> {
  const target = await targetOf(path);
  const parent = dirname(target);
  const [part, old] = [join(parent, ownedName("part")), join(parent, ownedName("old"))];
  const keep = removeAtExit(part);
  const make = async () => {
    await mkdir(part);
    const result = await fill(part);
    await removeAbandoned(parent);
    if (ifTaken === "keep") await rename(part, target).catch(unless("ENOTEMPTY", "EEXIST", "EPERM"));
    else await replace(target, part, old);
    return result;
  };
  try {
    return await refusedAs(path, make());
  } finally {
    for (const each of [part, old]) await rm(each, { recursive: true, force: true });
    keep();
  }
}

/** The resolved path of the new folder, since the current folder may change. */
async function targetOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return realpath(path);
  if (found) throw new FormatError(`${path}: found a file, expected a path for a folder`);
  const isLink = (await lstat(path).catch(() => undefined))?.isSymbolicLink();
  if (isLink)
    throw new FormatError(`${path}: found a symbolic link that leads to no folder; remove it, or make that folder`);
  return resolve(path);
}

/**
 * No file system replaces a folder that holds files. So the old folder is renamed first, and renamed back if the new
 * one fails. Until then its name is one that no process removes.
 */
async function replace(target: string, part: string, old: string): Promise<void> {
  const aside = `${target}.${crypto.randomUUID()}.old`;
  let isReplaced = true;
  await rename(target, aside).catch((error: unknown) => {
    unless("ENOENT")(error);
    isReplaced = false;
  });
  try {
    await rename(part, target);
  } catch (error) {
    if (isReplaced) await rename(aside, target);
    throw error;
  }
  if (isReplaced) await rename(aside, old);
}

/** Ignores file-system errors with these codes. On Windows, EPERM means that the target folder exists. */
function unless(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  };
}
