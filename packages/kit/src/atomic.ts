import { access, constants, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FormatError, throwIfAborted, type WorkOptions } from "@residual/core";
import { removeAtExit } from "./at-exit.ts";
import { ownedName, ownerOf, removeAbandoned } from "./owned-name.ts";

/** Bytes that are generated while they are written. `length` is the total number of bytes. */
export interface LazyPiece {
  readonly length: number;
  /** Each chunk is valid until the next. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** A file to write, in consecutive pieces. */
export interface NewFile {
  readonly path: string;
  readonly pieces: readonly (Uint8Array | LazyPiece)[];
  /** Permissions of a new file, as for chmod. Default: the file system's */
  readonly mode?: number | undefined;
}

export interface WriteOptions extends WorkOptions {
  /** Name of the stage for progress, whose unit is bytes over all files. Default "write" */
  readonly stage?: string;
}

/** Bytes between two checks of the signal. */
const CHUNK = 8 << 20;

/**
 * Writes files, each of which appears whole or not at all: first under a temporary name in the same folder; once all
 * are on the disk, they are renamed in the order given. A replaced file keeps its permissions; for a symbolic link, the
 * link's target is replaced. Leftovers of killed processes in these folders are removed.
 *
 * Throws FormatError if the file system refuses or the path is not a file, AbortError once the signal is aborted. After
 * an error the old files are still in place.
 */
export async function writeAtomic(files: readonly NewFile[], options: WriteOptions = {}): Promise<void> {
  const { signal, onProgress, stage = "write" } = options;
  const total = files.flatMap(({ pieces }) => pieces).reduce((sum, piece) => sum + piece.length, 0);
  let done = 0;
  const advance = (bytes: number) => {
    throwIfAborted(signal);
    done += bytes;
    onProgress?.({ stage, done, total });
  };
  throwIfAborted(signal);
  const parts: (TemporaryFile & { readonly path: string })[] = [];
  try {
    for (const { path, pieces, mode } of files) {
      const part = { ...(await refusedAs(path, temporaryFileFor(path, mode))), path };
      parts.push(part);
      await refusedAs(path, writeTemporary(part, pieces, advance));
    }
    throwIfAborted(signal);
    for (const folder of new Set(parts.map(({ name }) => dirname(name)))) await removeAbandoned(folder);
    for (const { path, name, target } of parts) await refusedAs(path, rename(name, target));
  } finally {
    for (const { name, keep } of parts) {
      await rm(name, { force: true });
      keep();
    }
  }
}

/**
 * Checks that a file can be written there, before work is done for it. Throws FormatError if the path is a directory, a
 * device, a pipe or a symbolic link to no file, or if its folder is missing or read-only.
 */
export async function checkPlace(path: string): Promise<void> {
  await checkTaken(path);
  const folder = dirname(path);
  const status = await stat(folder).catch(() => undefined);
  if (!status?.isDirectory()) throw new FormatError(`${path}: there is no folder ${folder}; make it first`);
  await access(folder, constants.W_OK).catch(() => {
    throw new FormatError(`${path}: the folder ${folder} cannot be written to; choose another`);
  });
}

/**
 * The absolute path of a file, since the current folder may change. Throws FormatError for a path without a file name.
 */
export function filePath(path: string): string {
  if (path !== "" && !/[\\/]$/.test(path)) return resolve(path);
  throw new FormatError(`found ${JSON.stringify(path)} as the path of a file, expected one that ends in a name`);
}

/** The permissions of an existing file; undefined if there is none. */
async function checkTaken(path: string): Promise<number | undefined> {
  filePath(path);
  const found = await stat(path).catch(() => undefined);
  if (!found && (await lstat(path).catch(() => undefined))?.isSymbolicLink())
    throw new FormatError(`${path}: found a symbolic link that leads to no file; remove it, or make that file`);
  if (found?.isDirectory()) throw new FormatError(`${path}: found a directory, expected a path for a file in it`);
  if (found && !found.isFile()) throw new FormatError(`${path}: found a device or a pipe, expected a path for a file`);
  return found && found.mode & 0o7777;
}

/** The temporary name of a file, before it is renamed to its target. */
interface TemporaryFile {
  readonly name: string;
  readonly target: string;
  readonly mode: number | undefined;
  /** Cancels the removal at exit. */
  readonly keep: () => void;
}

async function temporaryFileFor(path: string, modeOfNew: number | undefined): Promise<TemporaryFile> {
  const mode = (await checkTaken(path)) ?? modeOfNew;
  const target = await realpath(path).catch(() => resolve(path)); // resolved, as the current folder may change
  const name = join(dirname(target), ownedName("part"));
  return { name, target, mode, keep: removeAtExit(name) };
}

async function writeTemporary(
  { name, mode }: TemporaryFile,
  pieces: NewFile["pieces"],
  advance: (bytes: number) => void,
): Promise<void> {
  await using file = await open(name, "wx", mode);
  if (mode !== undefined) await file.chmod(mode); // undoes the umask
  for (const piece of pieces) {
    for await (const chunk of piece instanceof Uint8Array ? chunksOf(piece) : piece.chunks()) {
      await file.writeFile(chunk);
      advance(chunk.length);
    }
  }
  await file.sync(); // else the rename may reach the disk before the data
}

function* chunksOf(piece: Uint8Array): Generator<Uint8Array> {
  for (let begin = 0; begin < piece.length; begin += CHUNK) yield piece.subarray(begin, begin + CHUNK);
}

/** Turns a file-system error into a FormatError. */
export async function refusedAs<T>(path: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    if (!(cause instanceof Error && "syscall" in cause)) throw cause;
    throw new FormatError(`${path}: it cannot be written (${wordsOf(cause)}); check the path and the space left`, {
      cause,
    });
  });
}

/** The system's message without the temporary name, which users do not know. */
function wordsOf(error: Error): string {
  const path = "path" in error ? String(error.path) : "";
  const isTemporary = path.split(/[\\/]/).some((name) => ownerOf(name) !== undefined);
  return isTemporary ? error.message.replace(/, \w+ '.*$/s, "") : error.message;
}
