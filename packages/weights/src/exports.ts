// Exports that Node and browsers share.

export { encodeSafetensors } from "./encode-safetensors.ts";
export { withEpsilon } from "./epsilon.ts";
export type { KerasNetwork, Rescaling } from "./keras/facts.ts";
export { kerasNetwork } from "./keras-network.ts";
export type { KnownWeights } from "./known/known-weights.ts";
export { bestWeightsFor } from "./known/names.ts";
export { type Known, knownWeights, shippedWeights } from "./known.ts";
export type { Metadata, Named } from "./named-tensors.ts";
export { type PyTorchModuleOptions, pyTorchModule } from "./pytorch-module/index.ts";
export type { ReadWeights, ReadWeightsOptions, WeightsSource } from "./reader.ts";
export { type Header, parseHeader } from "./safetensors.ts";
export { type NamingScheme, namingScheme, toTorchvision } from "./schemes.ts";
export type { TensorEntry } from "./tensor-entry.ts";
export {
  type FileGraph,
  type PreprocessingSource,
  readTensors,
  type Stored,
  Weights,
  type WeightsDetails,
} from "./weights.ts";
