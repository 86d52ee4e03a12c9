import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder, writeAtomic } from "@residual/kit/files";
import type { TextCache } from "./platform.ts";

/** A file for each key, in the user's cache folder where no other is named; no cache where the user has none. */
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
      await mkdir(folder, { recursive: true });
      await writeAtomic([{ path: fileOf(key), pieces: [new TextEncoder().encode(text)] }]);
    },
  };
}
