import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "@residual/core";
import { cacheFolder, makeFolder, writeAtomic } from "@residual/kit/files";
import type { TextCache } from "./platform.ts";

/**
 * A file for each key, in the named folder; default: the user's cache folder. Without a cache folder there is no cache.
 * `write` throws FormatError if the folder or the file cannot be written.
 */
export function fileCache(folder: string): TextCache;
export function fileCache(): TextCache | undefined;
export function fileCache(folder: string | undefined = cacheFolder()): TextCache | undefined {
  if (folder === undefined) return undefined;
  const fileOf = (key: string) => join(folder, `${key.replaceAll(/[^\w-]/g, "_")}.json`);
  return {
    read: (key) =>
      readFile(fileOf(key), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    async write(key, text) {
      await makeFolder(folder).catch((cause: Error) => {
        const wayOut = "set XDG_CACHE_HOME to a folder that can be written to";
        throw new FormatError(`${folder}: the cache folder cannot be made (${cause.message}); ${wayOut}`, { cause });
      });
      await writeAtomic([{ path: fileOf(key), pieces: [new TextEncoder().encode(text)] }]);
    },
  };
}
