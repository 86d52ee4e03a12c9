import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder, writeAtomic } from "@residual/kit/files";
import { fileNames, type Store } from "./store.ts";

/** Keeps the files in a folder, which is made with the first of them. */
export function folderStore(folder: string): Store {
  const pathOf = (name: keyof typeof fileNames) => join(folder, fileNames[name]);
  return {
    load: async (name) => (existsSync(pathOf(name)) ? pathOf(name) : undefined),
    async save(files) {
      for (const { name } of files) await makeFolder(dirname(pathOf(name)));
      await writeAtomic(files.map(({ name, pieces }) => ({ path: pathOf(name), pieces })));
    },
  };
}
