import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { infer } from "../inference/infer.ts";
import { indexOf, loadModel, metadataOf, serverMetadata, unloadModel } from "../protocol.ts";
import { isReady, modelNamed, type Service, VERSION } from "../service.ts";
import { type InferMessage, requestOf, responseOf, whole } from "./inference.ts";
import { type CallWork, unaryWith } from "./unary.ts";

interface ModelMessage {
  readonly name: string;
  readonly version: string;
}

interface RepositoryMessage {
  readonly model_name: string;
}

/** The calls of open_inference_grpc.proto. */
export function inferenceCalls(service: Service): UntypedServiceImplementation {
  const unary = unaryWith(service.log);
  const model = ({ name, version }: ModelMessage) => modelNamed(service, name, version || VERSION);
  return {
    ServerLive: unary(() => ({ live: true })),
    ServerReady: unary(() => ({ ready: isReady(service) })),
    ModelReady: unary((message: ModelMessage) => ({
      ready: isUnloaded(service, message) ? false : model(message).state === "ready",
    })),
    ServerMetadata: unary(() => serverMetadata),
    ModelMetadata: unary((message: ModelMessage) => metadataOf(model(message))),
    ModelInfer: unary((message: InferMessage, work) => answerInference(service, message, work)),
  };
}

/** The calls of model_repository.proto. */
export function repositoryCalls(service: Service): UntypedServiceImplementation {
  const unary = unaryWith(service.log);
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
const isUnloaded = ({ entries, serving }: Service, { name }: ModelMessage): boolean =>
  !serving.models.has(name) && entries.some((entry) => entry.name === name);

async function answerInference(service: Service, message: InferMessage, work: CallWork): Promise<object> {
  const model = modelNamed(service, message.model_name, message.model_version || VERSION);
  const microseconds = whole(message.parameters, "timeout") ?? Number.POSITIVE_INFINITY;
  const deadline = Math.min(work.deadline, microseconds / 1000, service.timeout);
  const { maxImages } = service;
  return responseOf(message, VERSION, await infer(model, requestOf(message), { ...work, deadline, maxImages }));
}
