import { type InferenceService, type Model, VERSION } from "./service.ts";

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export interface TensorMetadata {
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

/** The server's name, version and extensions. */
export function serverMetadata({ about: { name, version } }: InferenceService): ServerMetadata {
  return { name, version, extensions: ["binary_tensor_data", "classification", "model_repository"] };
}

/** A model's inputs and outputs. Open axes are -1 in the protocol. */
export function modelMetadata({ about }: InferenceService, { name, inputs, outputs }: Model): ModelMetadata {
  const tensors = (list: Model["inputs"]) =>
    list.map((each) => ({
      name: each.name,
      datatype: "FP32",
      shape: each.shape.map((size) => (size === "N" ? -1 : size)),
    }));
  return { name, versions: [VERSION], platform: about.name, inputs: tensors(inputs), outputs: tensors(outputs) };
}

/** The listed models with their states, or those that are ready. */
export function indexOf({ listed, models }: InferenceService, onlyReady: boolean): readonly IndexEntry[] {
  const entries = listed.map((name): IndexEntry => {
    const state = models.get(name)?.state === "ready" ? "READY" : "UNAVAILABLE";
    return { name, version: VERSION, state, reason: "" };
  });
  return entries.filter(({ state }) => !onlyReady || state === "READY");
}
