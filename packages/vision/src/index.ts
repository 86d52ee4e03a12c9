export { decodeImage, describePictures } from "./decode-node.ts";
export * from "./shared.ts";
