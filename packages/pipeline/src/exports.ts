// Exports that Node and browsers share.

export { unknownName } from "@residual/kit/names";
export type { Picture } from "@residual/vision";
export type { BackendSource } from "./backends/choose.ts";
export type { ChosenBackend, CompiledGraph } from "./backends/compiler.ts";
export type { BackendOptions } from "./backends/options.ts";
export { type Facts, type Ranked, rankBackends } from "./backends/rank.ts";
export { type BackendName, backendNames, installCommand } from "./backends/table.ts";
export type { CamOptions, ClassActivation, ClassifyOptions } from "./class-activation.ts";
export type { Classified, Classifier, ClassifyAllOptions, UsedBackend } from "./classifier.ts";
export type { Difference, Recognition } from "./fitting.ts";
export {
  type GivenWeights,
  type Identified,
  identify,
  isGuess,
  type LabelsSource,
  type PrepareOptions,
  type PreprocessingSource,
  preprocessingOf,
  recordedPreprocessing,
} from "./identify.ts";
export type { Load, LoadOptions } from "./load.ts";
export { OptionError } from "./option-error.ts";
export { checkFinite } from "./predictions.ts";
export { bindModel, checkClasses, checkLogits, knownPreprocessing, type Prepared, prepare } from "./prepare.ts";
export { recognize } from "./recognize.ts";
