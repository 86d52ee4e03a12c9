import { lstat, mkdir, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FormatError } from "@residual/core";
import { removeAtExit } from "./at-exit.ts";
import { refusedAs } from "./atomic.ts";
import { ownedName, removeAbandoned } from "./owned-name.ts";

/**
 * Makes a folder that appears whole or not at all: `fill` writes into a new folder beside `path`, which is then
 * renamed. A folder that is at `path` already is replaced, or, with "keep", left as it is: another process was first. A
 * symbolic link to a folder keeps its target, which is replaced.
 *
 * Throws FormatError where the file system refuses, or the path is taken by a file or by a symbolic link that leads to
 * no folder, and what `fill` throws; then what was there before is there still.
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

/** The absolute path of the folder that is made, since the current folder may change. */
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
 * No system replaces a folder that holds files: the old one makes room first, and returns where the new one fails. It
 * gets a name that nobody removes for as long as there is no other.
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

/** Passes over errors of the file system with these codes. Windows says EPERM for a folder that is taken. */
function unless(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  };
}
