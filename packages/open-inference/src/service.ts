import type { Shape, Signal, Tensor } from "@residual/core";
import { RequestError } from "./errors.ts";

/** The only version of each model. */
export const VERSION = "1";

/** The declaration of an input or output. "N" is the open batch. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: Shape;
}

export interface RunOptions {
  /** Names of the outputs to compute; always given. */
  readonly outputs?: readonly string[] | undefined;
  /** Aborted once the client has gone. */
  readonly signal?: Signal | undefined;
  /** Milliseconds from now, by which the run should start. */
  readonly deadline?: number | undefined;
}

/** A model with one input [N, …], all of whose tensors are float32. */
export interface Model {
  readonly name: string;
  /** It takes requests if this is "ready". */
  readonly state: string;
  /** One input. */
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
  /** A name for each class, for the classification extension. An output `embedding` has no classes. */
  readonly labels?: readonly string[] | undefined;
  /** Throws if a request would be refused now, whatever it holds: called before its body is read. */
  check?(options: Pick<RunOptions, "deadline">): void;
  /** The asked outputs by name. Errors of core become statuses: see `statusOf`. */
  infer(
    input: Tensor<"float32">,
    options?: RunOptions,
  ): Promise<{ readonly [name: string]: Tensor<"float32"> | undefined }>;
}

/** What HTTP and gRPC answer from. Its fields are read at each request. */
export interface InferenceService {
  /** ServerMetadata; the name is also the models' platform. */
  readonly about: { readonly name: string; readonly version: string };
  /** The models that are loaded, by name. */
  readonly models: ReadonlyMap<string, Model>;
  /** Names of the models that may be loaded, or are. The first one answers requests that name no model. */
  readonly listed: readonly string[];
  /** "stopping": no new requests are taken. */
  readonly phase: "starting" | "ready" | "stopping";
  /** The most bytes of a body. */
  readonly maxBytes: number;
  /** The most rows of an input's first axis. */
  readonly maxImages: number;
  /** Milliseconds; the deadline of requests that have none. */
  readonly timeout: number;
  /** Loads and unloads models of `listed`. Undefined: clients may not. */
  readonly control?: ModelControl | undefined;
}

export interface ModelControl {
  load(name: string): Promise<unknown>;
  /** Resolves when the model's requests are answered, and it is gone from `models`. */
  unload(name: string): Promise<unknown>;
}

/** Whether every model that is not unloaded takes requests. */
export function isReady({ models, phase }: InferenceService): boolean {
  return phase === "ready" && [...models.values()].every(({ state }) => state === "ready");
}

interface Named<Found extends Model> {
  readonly models: ReadonlyMap<string, Found>;
  readonly listed: readonly string[];
}

/** The model of a name; the first one without a name. Throws RequestError (404) for an unknown name or version. */
export function modelNamed<Found extends Model>(
  { models, listed }: Named<Found>,
  name: string | undefined,
  version: string = VERSION,
): Found {
  const wanted = name ?? listed[0]!;
  const model = models.get(wanted);
  if (!model) {
    const names = [...models.keys()].join(", ") || "none";
    throw new RequestError(404, `there is no model ${wanted}; the ready models: ${names}`);
  }
  if (version !== VERSION) throw new RequestError(404, `${wanted} has no version ${version}, expected ${VERSION}`);
  return model;
}

/** Loads a listed model, or loads it anew. Throws RequestError: 403 unless clients may, 404 for another name. */
export async function loadModel(service: InferenceService, name: string): Promise<void> {
  await controlOf(service, name).load(name);
}

/** Unloads a model after its requests. Throws RequestError: 403 unless clients may, 404 for one that is not loaded. */
export async function unloadModel(service: InferenceService, name: string): Promise<void> {
  const control = controlOf(service, name);
  await control.unload(modelNamed(service, name).name);
}

function controlOf({ control, listed }: InferenceService, name: string): ModelControl {
  if (!control)
    throw new RequestError(403, "clients may not load and unload models; whoever runs the server may allow it");
  if (listed.includes(name)) return control;
  throw new RequestError(404, `there is no model ${name}; the listed models: ${listed.join(", ")}`);
}
