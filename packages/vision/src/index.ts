export { decodeImage } from "./decode-node.ts";
export * from "./shared.ts";
export { describePictures } from "./sharp.ts";
