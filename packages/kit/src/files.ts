export {
  checkPlace,
  filePath,
  type LazyPiece,
  type NewFile,
  refusedAs,
  type WriteOptions,
  writeAtomic,
} from "./atomic.ts";
export { writeFolderAtomic } from "./atomic-folder.ts";
export { cacheFolder } from "./cache-folder.ts";
export { delay, type ExclusiveOptions, exclusively } from "./exclusive.ts";
export { makeFolder } from "./make-folder.ts";
export { isPassedOver, isPictureName, isUnreadPictureName } from "./picture-names.ts";
export { compare, type Found, foldersIn, picturesIn } from "./pictures-in.ts";
export { type Program, programBeside } from "./program.ts";
export { pieceOf } from "./source-piece.ts";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";
