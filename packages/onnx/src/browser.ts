// The package in browsers: without the functions that write and open files.
export { type OnnxBytes, type OnnxExportOptions, type ToOnnxOptions, toOnnx } from "./export.ts";
export { lowerToOnnx } from "./lower.ts";
export type { ExternalData, Initializer, Model, OnnxAttribute, OnnxNode, ValueInfo } from "./model-proto.ts";
export type { OnnxDevice, OnnxOptions } from "./options.ts";
export { formatModel } from "./print.ts";
export { installOf, onnx } from "./runtime/web/backend.ts";
