import { stat } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";
import { FormatError, ResidualError } from "@residual/core";
import { pathOf } from "@residual/kit/bytes";
import { compare, picturesIn } from "@residual/kit/files";
import { glob, isDynamicPattern } from "tinyglobby";
import { UsageError } from "../errors.ts";

/** A picture of the command line: its name, or its error. */
export type Named = { readonly name: string } | { readonly name: string; readonly error: ResidualError };

export interface Sources {
  readonly pictures: readonly Named[];
  /** Skipped files in folders, as messages. */
  readonly notes: readonly string[];
}

/**
 * The pictures of the arguments, in order: a file, a folder of pictures, a pattern such as `photos/*.png` (which some
 * shells do not expand), a URL, or `-` for one picture on stdin.
 */
export async function picturesOf(words: readonly string[]): Promise<Sources> {
  if (words.filter((word) => word === "-").length > 1)
    throw new UsageError("- is one picture on stdin, and can be given once");
  const pictures: Named[] = [];
  const notes: string[] = [];
  for (const word of words) {
    try {
      const found = await expand(word);
      pictures.push(...found.pictures.map((name) => ({ name })));
      notes.push(...found.notes);
    } catch (error) {
      if (!(error instanceof ResidualError)) throw error;
      pictures.push({ name: word, error });
    }
  }
  return { pictures, notes };
}

interface Expanded {
  readonly pictures: readonly string[];
  readonly notes: readonly string[];
}

async function expand(word: string): Promise<Expanded> {
  const path = word === "-" ? undefined : await pathOf(word);
  if (path === undefined) return of(word); // stdin, or a URL
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return inFolder(path);
  const pattern = sep === "\\" ? word.replaceAll("\\", "/") : word;
  if (found || !isDynamicPattern(pattern)) return of(word); // reading reports a missing file
  const options = { onlyFiles: false, expandDirectories: false, absolute: isAbsolute(word) };
  const paths = (await glob(pattern, options)).sort(compare);
  if (paths.length === 0) throw new FormatError(`${word}: no file matches; check the pattern`);
  const all: Expanded[] = [];
  for (const path of paths) all.push(path.endsWith("/") ? await inFolder(path.slice(0, -1)) : of(path));
  return { pictures: all.flatMap(({ pictures }) => pictures), notes: all.flatMap(({ notes }) => notes) };
}

const of = (path: string): Expanded => ({ pictures: [path], notes: [] });

async function inFolder(folder: string): Promise<Expanded> {
  const found = await picturesIn(folder);
  if (found.pictures.length > 0) return found;
  throw new FormatError(`${folder}: found a folder without pictures; name a picture, or a folder that holds some`);
}
