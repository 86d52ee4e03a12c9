export { checkPlace, type NewFile, type WriteOptions, writeAtomic } from "./atomic.ts";
export { writeFolderAtomic } from "./atomic-folder.ts";
export { cacheFolder } from "./cache-folder.ts";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";
