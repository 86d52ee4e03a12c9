import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { WebgpuCache } from "@residual/webgpu";

/** The user's cache folder, by the XDG Base Directory Specification; its fallback elsewhere too. */
function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "residual");
}

/** A file for each key. A reader sees what was there before, or all of what is written, and never a part. */
export function fileCache(folder: string = cacheFolder()): WebgpuCache {
  const fileOf = (key: string) => join(folder, `${key.replaceAll(/[^\w-]/g, "_")}.json`);
  return {
    read: (key) =>
      readFile(fileOf(key), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    async write(key, text) {
      await mkdir(folder, { recursive: true });
      const part = `${fileOf(key)}.${randomUUID()}`;
      try {
        await writeFile(part, text);
        await rename(part, fileOf(key));
      } finally {
        await rm(part, { force: true });
      }
    },
  };
}
