export {
  backendNames,
  type ChosenBackend,
  type Classifier,
  chooseBackend,
  type LoadOptions,
  load,
  type Prepared,
  type PrepareOptions,
  prepare,
  UsageError,
} from "@residual/pipeline";
