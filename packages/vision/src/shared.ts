// The part that Node and browsers share; index.ts and browser.ts add the decoders.
export { type Interpolation, type Preprocessing, softmaxRow as softmax } from "@residual/core";
export { type Area, type CamOverlayOptions, type CamPicture, cropArea, overlayCam } from "./cam.ts";
export { CIFAR10_RECORD, countCifar10, type LabelledPixels, readCifar10 } from "./cifar10-file.ts";
export type { DecodeOptions, DrawableLike, Picture } from "./decode.ts";
export type { CanvasLike } from "./given-pixels.ts";
export { type ImageFormat, imageFormats } from "./image-format.ts";
export { cifar10Labels, labelsOf } from "./labels.ts";
export type { PictureSupport } from "./picture-support.ts";
export { checkPixels, type EncodedFormat, type Pixels, pixelsOfRgba, type RgbaImage } from "./pixels.ts";
export {
  crop,
  cropOffset,
  normalize,
  type PlaneTable,
  planeTables,
  preprocess,
  preprocessInto,
  resizedSize,
  stack,
} from "./preprocess.ts";
export { cifar10, imagenet, raw32 } from "./preprocessing.ts";
export { resample, type Size, type Window } from "./resample.ts";
export { type CodecFormat, codecBytes, setCodec } from "./set-codec.ts";
export { type Prediction, type TopKOptions, topK } from "./top-k.ts";
