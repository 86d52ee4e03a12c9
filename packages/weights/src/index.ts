export { type KnownWeights, knownWeights } from "./known.ts";
export { findWeights, resolveWeights } from "./load.ts";
export { readWeights } from "./read-weights.ts";
export { type Header, parseHeader, type TensorEntry } from "./safetensors.ts";
export { toTorchvision } from "./schemes.ts";
export { readTensors, type Weights } from "./weights.ts";
export { encodeSafetensors, type Metadata, type Named, writeSafetensors } from "./write-safetensors.ts";
