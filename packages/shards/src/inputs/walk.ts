import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { isPassedOver } from "@residual/kit/files";

/**
 * The files below a folder that `isMeant`: those of each folder by name, then its subfolders by name. Links are
 * followed. Hidden files and the system's folders are skipped. Memory holds the names of the folders on the way.
 *
 * `above` holds the real paths of the parent folders: a link to one of them would be an endless loop.
 */
export async function* walk(
  folder: string,
  isMeant: (path: string) => boolean,
  above: ReadonlySet<string> = new Set(),
): AsyncGenerator<string, void, undefined> {
  const real = await realpath(folder);
  if (above.has(real)) return;
  const folders: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort(byName)) {
    if (isPassedOver(entry.name)) continue;
    const path = join(folder, entry.name);
    const kind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    if (kind?.isDirectory()) folders.push(path);
    else if (isMeant(path)) yield path;
  }
  for (const each of folders) yield* walk(each, isMeant, new Set([...above, real]));
}

/** By code units, independent of the language. */
const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1);
