export { backendNames, type ChosenBackend, chooseBackend } from "./backends.ts";
export { UsageError } from "./errors.ts";
export { type Classifier, type LoadOptions, load } from "./load.ts";
export { type Prepared, type PrepareOptions, prepare } from "./prepare.ts";
