export type { OnnxBytes, OnnxExportOptions, ToOnnxOptions } from "./export.ts";
export { openOnnx } from "./files/open-onnx.ts";
export { type OnnxSummary, verifyOnnx } from "./files/verify-onnx.ts";
export { toOnnx, writeOnnx } from "./files/write-onnx.ts";
export { lowerToOnnx } from "./lower.ts";
export type { ExternalData, Initializer, Model, OnnxAttribute, OnnxNode, ValueInfo } from "./model-proto.ts";
export type { OnnxOptions } from "./options.ts";
export { formatModel } from "./print.ts";
export { onnx } from "./runtime/node/backend.ts";
