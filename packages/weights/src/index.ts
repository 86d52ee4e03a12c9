export { fill, fillRole, fixtureInput, fixtureWeights, fnv1a32, hashU32, type Role, rolesOf } from "./fixture.ts";
export { type KnownWeights, knownWeights } from "./known.ts";
export { findWeights, resolveWeights } from "./load.ts";
export { readWeights } from "./read-weights.ts";
export { type Header, parseHeader, type TensorEntry } from "./safetensors.ts";
export { toTorchvision } from "./schemes.ts";
export { inputSha256, weightsSha256 } from "./sha256.ts";
export type { Weights } from "./weights.ts";
export { encodeSafetensors, type Metadata, type NamedTensors, writeSafetensors } from "./write-safetensors.ts";
