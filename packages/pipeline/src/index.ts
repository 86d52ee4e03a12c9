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
export { type Identified, type IdentifyOptions, identify, preprocessingOf } from "./identify.ts";
export { type Classifier, type LoadOptions, load, type Picture } from "./load.ts";
export { unknownName } from "./names.ts";
export { OptionError } from "./option-error.ts";
export { bindModel, checkLogits, knownPreprocessing, type Prepared, type PrepareOptions, prepare } from "./prepare.ts";
