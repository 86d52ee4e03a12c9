export { type OnnxOptions, onnx, openOnnx } from "./backend.ts";
export { type OnnxBytes, type OnnxExportOptions, toOnnx, writeOnnx } from "./export.ts";
export { lowerToOnnx } from "./lower.ts";
export type { ExternalData, Initializer, Model, OnnxAttribute, OnnxNode, ValueInfo } from "./model-proto.ts";
export { formatModel } from "./print.ts";
export { type OnnxSummary, verifyOnnx } from "./verify.ts";
