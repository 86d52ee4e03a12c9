// What browsers get of this package.
export { decodeImage, describePictures } from "./decode-browser.ts";
export { encodeImage } from "./encode-browser.ts";
export * from "./shared.ts";
