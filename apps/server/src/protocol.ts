import { version } from "@residual/core";
import type { ServedModel } from "@residual/pipeline/serving";
import { controlledEntry, modelNamed, type Service, VERSION } from "./service.ts";

/** ServerMetadata, the same over HTTP and gRPC. */
export const serverMetadata = {
  name: "residual",
  version,
  extensions: ["binary_tensor_data", "classification", "model_repository"],
};

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: "READY" | "UNAVAILABLE";
  readonly reason: string;
}

/** A model's inputs and outputs. Open axes are -1 in the protocol. */
export function metadataOf({ name, inputs, outputs }: ServedModel): ModelMetadata {
  const tensors = (list: ServedModel["inputs"]) =>
    list.map((each) => ({
      name: each.name,
      datatype: "FP32",
      shape: each.shape.map((size) => (size === "N" ? -1 : size)),
    }));
  return { name, versions: [VERSION], platform: "residual", inputs: tensors(inputs), outputs: tensors(outputs) };
}

/** The listed models with their states, or those that are ready. */
export function indexOf({ entries, serving }: Service, onlyReady: boolean): readonly IndexEntry[] {
  const models = entries.map(({ name }): IndexEntry => {
    const state = serving.models.get(name)?.state === "ready" ? "READY" : "UNAVAILABLE";
    return { name, version: VERSION, state, reason: "" };
  });
  return models.filter(({ state }) => !onlyReady || state === "READY");
}

/** Loads a listed model, or loads it anew. Throws errors of `controlledEntry` and `Serving.load`. */
export async function loadModel(service: Service, name: string): Promise<void> {
  const { name: _, ...options } = controlledEntry(service, name);
  await service.serving.load(name, options);
}

/** Unloads a model after its requests. Throws errors of `controlledEntry` and `modelNamed`. */
export async function unloadModel(service: Service, name: string): Promise<void> {
  controlledEntry(service, name);
  await service.serving.unload(modelNamed(service, name).name);
}
