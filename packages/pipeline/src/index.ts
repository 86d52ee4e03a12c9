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
export { UsageError } from "./errors.ts";
export { fileCache } from "./file-cache.ts";
export { type Classifier, type LoadOptions, load } from "./load.ts";
export { oneOf } from "./names.ts";
export {
  checkLogits,
  DEFAULT_WEIGHTS,
  modelNamed,
  modelNames,
  type Prepared,
  type PrepareOptions,
  parseShape,
  prepare,
  preprocessingOf,
  saltOf,
  specNamed,
} from "./prepare.ts";
