export type { Deviation, Trait } from "@residual/core";
export { type Bisection, type BisectOptions, bisect, explain } from "./bisect.ts";
export { conform } from "./conform.ts";
export type { ImageBatch, ImageSet } from "./levels/images.ts";
export type { ConformOptions } from "./options.ts";
export { quickModels } from "./plan.ts";
export { toHtml } from "./report/html.ts";
export { toJson } from "./report/json.ts";
export { type KnownDeviation, knownDeviations, largestShare } from "./report/summary.ts";
export {
  type Check,
  type Environment,
  type Level,
  levels,
  type Report,
  type Section,
  type Worst,
} from "./report/types.ts";
