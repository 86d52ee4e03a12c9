// The package in browsers.
export { decodeImage, decodeInto, describePictures } from "./decode-browser.ts";
export { encodeImage } from "./encode-browser.ts";
export * from "./shared.ts";
