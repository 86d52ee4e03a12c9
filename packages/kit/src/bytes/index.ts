import type { Stats } from "node:fs";
import { FormatError, ResidualError, throwIfAborted } from "@residual/core";
import { allocate, bytesReader, checkLength, type Reading, type ReadOptions, reasonOf } from "./read.ts";
import { type ByteSource, nameOf, urlOf } from "./source.ts";

export { type ReadOptions, withResponse } from "./read.ts";
export { shown } from "./shown.ts";
export { type ByteSource, nameOf, type UrlLike } from "./source.ts";

/** Bytes between two checks of the signal. */
const CHUNK = 8 << 20;

/**
 * The bytes of a ByteSource. Memory is not copied, so the result may be a view of the caller's bytes. Folders, pipes
 * and devices are refused, since a pipe need not end; pass a stream instead.
 *
 * Throws FormatError for a value of another type, a file that is missing or cannot be read, a failed request, an HTTP
 * error status, a stream that fails, and more than `maxBytes`; AbortError; OutOfMemoryError.
 */
export const readBytes: (source: ByteSource, options?: ReadOptions) => Promise<Uint8Array> = bytesReader({
  readPath: readFile,
  fetchAdvice: "check the address and the network",
});

/**
 * The path of a source that is a file: a path unchanged, a `file:` URL decoded. Undefined for other sources. Throws
 * FormatError for a `file:` URL without a path.
 */
export async function pathOf(source: unknown): Promise<string | undefined> {
  const url = urlOf(source);
  if (url === undefined) return typeof source === "string" ? source : undefined;
  if (!/^file:/i.test(url)) return undefined;
  const { fileURLToPath } = await import("node:url");
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new FormatError(`${nameOf(url, "")}: ${reasonOf(cause)}; give the path of a file`, { cause });
  }
}

async function readFile(source: string, reading: Reading): Promise<Uint8Array> {
  const path = (await pathOf(source))!;
  const { open, stat } = await import("node:fs/promises");
  try {
    checkFile(await stat(path), reading); // before opening: opening a pipe waits for its writer
    await using file = await open(path);
    const { size } = await file.stat();
    return await checkLength(size, reading, () => readAll(file, size, reading));
  } catch (cause) {
    if (cause instanceof ResidualError || !(cause instanceof Error && "code" in cause)) throw cause;
    throw new FormatError(reasonOfFile(cause, path, reading), { cause });
  }
}

/** Reads until the end of file, since files in /proc report a size of 0. */
async function readAll(
  file: { read(into: Uint8Array, offset: number, length: number): Promise<{ bytesRead: number }> },
  size: number,
  reading: Reading,
): Promise<Uint8Array> {
  const { name, signal, onProgress, stage = "read" } = reading;
  let bytes = allocate(size + 1, name); // one byte more, to notice the end of the file in the first read
  let done = 0;
  for (;;) {
    throwIfAborted(signal);
    const asked = Math.min(CHUNK, bytes.length - done);
    const { bytesRead } = await file.read(bytes, done, asked);
    done += bytesRead;
    checkLength(done, reading, () => {});
    onProgress?.({ stage, done, total: Math.max(done, size) });
    const isWhole = size > 0 && done === size && bytesRead < asked;
    if (bytesRead === 0 || isWhole) return bytes.subarray(0, done);
    if (done < bytes.length) continue;
    const larger = allocate(2 * bytes.length, name);
    larger.set(bytes);
    bytes = larger;
  }
}

function checkFile(found: Stats, { name, expected }: Reading): void {
  if (found.isFile()) return;
  const kind = found.isDirectory() ? "a directory" : found.isFIFO() ? "a pipe" : "a device or a socket";
  const way = found.isDirectory() ? "name a file in it" : "name a file, or give a stream of it";
  throw new FormatError(`${name}: found ${kind}, expected ${expected}; ${way}`);
}

function reasonOfFile(cause: Error & { code?: unknown }, path: string, { name, expected }: Reading): string {
  const { code } = cause;
  if (path === "") return `${name}: found an empty path, expected ${expected}`;
  if (code === "ENOENT" || code === "ENOTDIR") return `${name}: not found, expected ${expected}; check the path`;
  return `${name}: could not be read (${String(code)}), expected ${expected}; check its permissions`;
}
