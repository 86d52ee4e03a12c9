import { FormatError } from "@residual/core";

/** No camera's file comes near it; without a limit a mistaken path could fill the memory. In bytes. */
const MAX_BYTES = 1024 ** 3;

/**
 * The bytes of a file. Throws FormatError that shows the path for one that is missing, is no file or cannot be read.
 */
export async function readImageFile(path: string): Promise<Uint8Array> {
  const { readFile, stat } = await import("node:fs/promises"); // when first used: the rest runs in browsers
  try {
    checkFile(await stat(path), path);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(reason(cause, path), { cause });
  }
}

/** A pipe or a device is refused too: it may never end. */
function checkFile(found: { isFile(): boolean; isDirectory(): boolean; size: number }, path: string): void {
  const kind = found.isDirectory() ? "a directory" : "a pipe or a device";
  if (!found.isFile()) throw new FormatError(`${path}: found ${kind}, expected an image file; name a file in it`);
  if (found.size > MAX_BYTES) {
    throw new FormatError(`${path}: found ${found.size} bytes, expected at most ${MAX_BYTES}; shrink the image`);
  }
}

function reason(cause: unknown, path: string): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  if (code === "ENOENT" || code === "ENOTDIR") return `${path}: not found, expected an image file; check the path`;
  return `${path}: could not be read (${code}), expected an image file; check its permissions`;
}
