import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isPassedOver, isPictureName, isUnreadPictureName } from "./picture-names.ts";

export interface Found {
  /** Paths of pictures, in the order of torchvision's ImageFolder: by folder, then by name. */
  readonly pictures: readonly string[];
  /** Skipped pictures, as messages. */
  readonly notes: readonly string[];
}

/**
 * The pictures in a folder and its subfolders, by file extension. Links are followed. `isPassedOver` tells which
 * folders and files are skipped.
 */
export async function picturesIn(folder: string): Promise<Found> {
  const pictures: string[] = [];
  const notes: string[] = [];
  const unread: string[] = [];
  await walk(folder, new Set(), { pictures, notes, unread });
  const [first] = unread;
  if (first !== undefined)
    notes.push(`pictures passed over, whose format is not read: ${unread.length} such as ${first}`);
  pictures.sort((a, b) => compare(dirname(a), dirname(b)) || compare(basename(a), basename(b)));
  return { pictures, notes };
}

/** `above` holds the real paths of the parent folders: a link to one of them would be an endless loop. */
async function walk(
  folder: string,
  above: ReadonlySet<string>,
  into: { readonly pictures: string[]; readonly notes: string[]; readonly unread: string[] },
): Promise<void> {
  const real = await realpath(folder);
  if (above.has(real)) return;
  for (const { name } of await readdir(folder, { withFileTypes: true })) {
    if (isPassedOver(name)) continue;
    if (isUnreadPictureName(name)) into.unread.push(join(folder, name));
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    const isCalledPicture = isPictureName(name);
    if (found?.isDirectory()) {
      if (isCalledPicture) into.notes.push(`${path} is a folder, not a picture`);
      await walk(path, new Set([...above, real]), into);
    } else if (isCalledPicture) {
      if (found?.isFile()) into.pictures.push(path);
      else into.notes.push(`${path} was passed over: ${found ? "it is a device or a pipe" : "a link to no file"}`);
    }
  }
}

/** The names of a folder's folders, and of links to folders, sorted. */
export async function foldersIn(path: string): Promise<readonly string[]> {
  const names = await readdir(path);
  const kinds = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
  return names.filter((_, at) => kinds[at]?.isDirectory()).sort(compare);
}

/** By code units, as in Python, independent of the language. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
