export type { Cost } from "./batch-cost.ts";
export { type Clock, systemClock } from "./clock.ts";
export { DeadlineError, OverloadedError, UnavailableError } from "./errors.ts";
export type { BatchReport, Queue, QueueOptions, SubmitOptions } from "./queue.ts";
export { Scheduler, type SchedulerOptions } from "./scheduler.ts";
export type {
  InferOptions,
  ServedCamOptions,
  ServedClassifyOptions,
  ServedModel,
  ServedOutput,
  ServedTensor,
} from "./served-model.ts";
export { type ModelOptions, openServing, type Serving, type ServingOptions } from "./serving.ts";
