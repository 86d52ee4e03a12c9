import type { ServedModel, Serving } from "@residual/pipeline/serving";
import type { Logger } from "pino";
import type { KeyCheck } from "./access.ts";
import { RequestError } from "./errors.ts";
import type { Metrics } from "./metrics.ts";
import type { ModelEntry } from "./options.ts";

/** The only version of each model. */
export const VERSION = "1";

/** What HTTP and gRPC answer from. */
export interface Service {
  readonly serving: Serving;
  readonly entries: readonly ModelEntry[];
  readonly isAllowed: KeyCheck;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly maxBytes: number;
  readonly maxImages: number;
  /** Milliseconds; the deadline of requests that have none. */
  readonly timeout: number;
  readonly modelControl: boolean;
  /** "stopping": no new requests are taken. */
  phase: "starting" | "ready" | "stopping";
}

/** Whether every model that is not unloaded takes requests. */
export function isReady({ serving, phase }: Service): boolean {
  return phase === "ready" && [...serving.models.values()].every(({ state }) => state === "ready");
}

/** The model of a name; the first one without a name. Throws RequestError (404) for an unknown name or version. */
export function modelNamed({ serving, entries }: Service, name: string | undefined, version = VERSION): ServedModel {
  const wanted = name ?? entries[0]!.name;
  const model = serving.models.get(wanted);
  if (!model) {
    const names = [...serving.models.keys()].join(", ") || "none";
    throw new RequestError(404, `there is no model ${wanted}; ready: ${names}`);
  }
  if (version !== VERSION) throw new RequestError(404, `${wanted} has no version ${version}, expected ${VERSION}`);
  return model;
}

/** The listed model that a client loads or unloads. Throws RequestError: 403 unless clients may, 404 for others. */
export function controlledEntry({ entries, modelControl }: Service, name: string): ModelEntry {
  if (!modelControl) throw new RequestError(403, "clients may not load and unload models; start with --model-control");
  const entry = entries.find((each) => each.name === name);
  if (entry) return entry;
  throw new RequestError(404, `there is no model ${name}; listed: ${entries.map((each) => each.name).join(", ")}`);
}
