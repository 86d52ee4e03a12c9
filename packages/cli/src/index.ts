export { backendNames, type ChosenBackend, chooseBackend } from "./backends.ts";
export { UsageError } from "./errors.ts";
export { type Classifier, load, type LoadOptions } from "./load.ts";
export { type Prepared, prepare, type PrepareOptions } from "./prepare.ts";
