import { stat } from "node:fs/promises";
import { extname, normalize, sep } from "node:path";
import { FormatError, ResidualError } from "@residual/core";
import { pathOf } from "@residual/kit/bytes";
import { isPictureName, isUnreadPictureName } from "@residual/kit/files";
import picomatch from "picomatch";
import { isUrl } from "../shard/fetch-picture.ts";
import { linesOf, lists } from "./lists.ts";
import { walk } from "./walk.ts";

/**
 * The pictures of the inputs, in order, as paths and URLs: a picture, a folder, a pattern, or a list by its extension.
 * Throws FormatError for an input that does not exist or cannot be read.
 */
export async function* imagesOf(input: readonly string[]): AsyncGenerator<string, void, undefined> {
  for (const word of input) yield* readable(word, imagesOfWord(word));
}

/** Errors of the system, and of the readers of lists, as FormatError. */
async function* readable(word: string, images: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  try {
    yield* images;
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof ResidualError) throw cause;
    throw new FormatError(`${word}: it cannot be read (${cause.message}); check the file and its permissions`, {
      cause,
    });
  }
}

async function* imagesOfWord(word: string): AsyncGenerator<string, void, undefined> {
  if (word === "-") return yield* linesOf(process.stdin);
  if (isUrl(word)) return yield word;
  const path = (await pathOf(word))!;
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return yield* walk(path, isPicture);
  const read = lists[extname(path).toLowerCase()];
  if (found && read) return yield* unchanged(path, read(path));
  if (found) return yield path;
  const pattern = normalize(word).replaceAll(sep, "/"); // as `walk` joins its paths
  const { base, isGlob } = picomatch.scan(pattern);
  if (!isGlob) throw new FormatError(`${word}: not found; give a folder, a pattern, or a list of pictures`);
  const matches = picomatch(pattern);
  yield* walk(base || ".", (found) => matches(found.replaceAll(sep, "/")));
}

/** A format that is not read is told by the picture's row. */
const isPicture = (path: string): boolean => isPictureName(path) || isUnreadPictureName(path);

/** What a list holds. Throws FormatError if its file is written to while it is read: the list would be half of each. */
async function* unchanged(path: string, images: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  const before = await stat(path);
  yield* images;
  const { size, mtimeMs } = await stat(path);
  if (size !== before.size || mtimeMs !== before.mtimeMs)
    throw new FormatError(`${path}: it changed while it was read; run again once it is complete`);
}
