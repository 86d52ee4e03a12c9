export type { Picture } from "@residual/vision";
export {
  type BackendName,
  type BackendOptions,
  type BackendSource,
  backendNamed,
  backendNames,
  type ChosenBackend,
  checkBackend,
  chooseBackend,
  installCommand,
} from "./backends.ts";
export { prepareOn } from "./compile.ts";
export {
  type GivenWeights,
  type Identified,
  identify,
  type PrepareOptions,
  type PreprocessingSource,
  preprocessingOf,
} from "./identify.ts";
export { type Classifier, type LoadOptions, load } from "./load.ts";
export { unknownName } from "./names.ts";
export { OptionError } from "./option-error.ts";
export { bindModel, checkLogits, knownPreprocessing, type Prepared, prepare } from "./prepare.ts";
