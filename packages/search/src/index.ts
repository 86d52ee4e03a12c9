export { type SheetGroup, type SheetOptions, writeContactSheet } from "./contact-sheet.ts";
export type { IndexHeader } from "./index-file.ts";
export { makeIndex } from "./make-index.ts";
export type { Neighbour } from "./nearest.ts";
export { type Found, findDuplicates, type SearchOptions, type SearchWork, search } from "./search.ts";
