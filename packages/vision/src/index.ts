export { type LabelledPixels, readCifar10 } from "./cifar10-file.ts";
export { type DecodeOptions, decodeImage } from "./decode.ts";
export { type Interpolation, interpolations } from "./filters.ts";
export { cifar10Labels, imagenetLabels } from "./labels.ts";
export { checkPixels, type Pixels, pixelsOfRgba, type RgbaImage } from "./pixels.ts";
export { crop, cropOffset, normalize, type Preprocessing, preprocess, resizedSize, stack } from "./preprocess.ts";
export { checkPreprocessing, cifar10, imagenet, raw32, readPreprocessing } from "./preprocessing.ts";
export { resample, type Size, type Window } from "./resample.ts";
export { type Prediction, softmax, type TopKOptions, topK } from "./top-k.ts";
