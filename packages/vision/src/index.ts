export { decodeImage, decodeInto, describePictures } from "./decode-node.ts";
export { encodeImage } from "./encode-node.ts";
export * from "./shared.ts";
