import type { InferenceService } from "@residual/open-inference";
import type { ServedModel, Serving } from "@residual/pipeline/serving";
import type { Logger } from "pino";
import type { KeyCheck } from "./access.ts";
import type { Metrics } from "./metrics.ts";

/** What HTTP and gRPC answer from. */
export interface Service extends InferenceService {
  readonly serving: Serving;
  readonly models: ReadonlyMap<string, ServedModel>;
  readonly isAllowed: KeyCheck;
  readonly metrics: Metrics;
  readonly log: Logger;
  phase: InferenceService["phase"];
}
