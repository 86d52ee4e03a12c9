export { decodeImage, describePictures } from "./decode-node.ts";
export { encodePng } from "./encode-node.ts";
export * from "./shared.ts";
