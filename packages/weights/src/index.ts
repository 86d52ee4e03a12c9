export { encodeSafetensors, type Metadata, type Named } from "./encode-safetensors.ts";
export { type Known, type KnownWeights, knownWeights } from "./known.ts";
export { readWeights } from "./read-weights.ts";
export type { ReadWeights, ReadWeightsOptions, WeightsSource } from "./reader.ts";
export { type Header, parseHeader } from "./safetensors.ts";
export { toTorchvision } from "./schemes.ts";
export type { TensorEntry } from "./tensor-entry.ts";
export { type PreprocessingSource, readTensors, Weights, type WeightsDetails } from "./weights.ts";
export { writeSafetensors } from "./write-safetensors.ts";
