export { RequestError, retryAfterOf, shownError, statusOf } from "./errors.ts";
export { binaryOf, binaryParts, splitBody } from "./inference/binary.ts";
export { float32Of, type RequestTensor } from "./inference/datatypes.ts";
export {
  type InferenceRequest,
  type InferenceWork,
  infer,
  type OutputTensor,
  type RequestedOutput,
} from "./inference/infer.ts";
export {
  type IndexEntry,
  indexOf,
  type ModelMetadata,
  modelMetadata,
  type ServerMetadata,
  serverMetadata,
  type TensorMetadata,
} from "./metadata.ts";
export { problemsOf } from "./problems.ts";
export {
  type InferenceService,
  isReady,
  loadModel,
  type Model,
  type ModelControl,
  type ModelTensor,
  modelNamed,
  type RunOptions,
  unloadModel,
} from "./service.ts";
