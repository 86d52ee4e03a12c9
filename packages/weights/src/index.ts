export type {
  AdamWGroup,
  AdamWMoments,
  OptimizerState,
  PyTorchCheckpoint,
  SgdGroup,
  SgdMoments,
} from "./checkpoint.ts";
export * from "./exports.ts";
export { readPyTorchCheckpoint } from "./read-checkpoint.ts";
export { readWeights } from "./read-weights.ts";
export { checkpointOfVariables, type OptimizerSettings, variablesOfCheckpoint } from "./training-variables.ts";
export { type NewCheckpoint, withCounters, writePyTorchCheckpoint } from "./write-checkpoint.ts";
export { writeNpz } from "./write-npz.ts";
export { writePyTorch } from "./write-pytorch.ts";
export {
  type RecordedAnswer,
  type WritePyTorchModuleOptions,
  weightsBeside,
  writePyTorchModule,
} from "./write-pytorch-module.ts";
export { writeSafetensors } from "./write-safetensors.ts";
