import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { infer } from "../inference/infer.ts";
import { indexOf, modelMetadata, serverMetadata } from "../metadata.ts";
import { type InferenceService, isReady, loadModel, modelNamed, unloadModel, VERSION } from "../service.ts";
import { type InferMessage, requestOf, responseOf, whole } from "./messages.ts";
import { type CallWork, type OnFault, unaryWith } from "./unary.ts";

interface ModelMessage {
  readonly name: string;
  readonly version: string;
}

interface RepositoryMessage {
  readonly model_name: string;
}

/** The calls of open_inference_grpc.proto. */
export function inferenceCalls(service: InferenceService, onFault: OnFault): UntypedServiceImplementation {
  const unary = unaryWith(onFault);
  const model = ({ name, version }: ModelMessage) => modelNamed(service, name, version || VERSION);
  return {
    ServerLive: unary(() => ({ live: true })),
    ServerReady: unary(() => ({ ready: isReady(service) })),
    ModelReady: unary((message: ModelMessage) => ({
      ready: isUnloaded(service, message) ? false : model(message).state === "ready",
    })),
    ServerMetadata: unary(() => serverMetadata(service)),
    ModelMetadata: unary((message: ModelMessage) => modelMetadata(service, model(message))),
    ModelInfer: unary((message: InferMessage, work) => answerInference(service, message, work)),
  };
}

/** The calls of model_repository.proto. */
export function repositoryCalls(service: InferenceService, onFault: OnFault): UntypedServiceImplementation {
  const unary = unaryWith(onFault);
  return {
    RepositoryIndex: unary(({ ready }: { readonly ready: boolean }) => ({ models: indexOf(service, ready) })),
    RepositoryModelLoad: unary(async (message: RepositoryMessage) => {
      await loadModel(service, message.model_name);
      return {};
    }),
    RepositoryModelUnload: unary(async (message: RepositoryMessage) => {
      await unloadModel(service, message.model_name);
      return {};
    }),
  };
}

/** A model that is listed and not loaded is not ready, as in Triton; any other name is an error. */
const isUnloaded = ({ listed, models }: InferenceService, { name }: ModelMessage): boolean =>
  !models.has(name) && listed.includes(name);

async function answerInference(service: InferenceService, message: InferMessage, work: CallWork): Promise<object> {
  const model = modelNamed(service, message.model_name, message.model_version || VERSION);
  const microseconds = whole(message.parameters, "timeout") ?? Number.POSITIVE_INFINITY;
  const deadline = Math.min(work.deadline, microseconds / 1000, service.timeout);
  const { maxImages } = service;
  return responseOf(message, VERSION, await infer(model, requestOf(message), { ...work, deadline, maxImages }));
}
